/** The template with one mistake each, under the check that has to see it. There are some for each of them. */
import type { CheckName } from './checks.ts'

/** What stands in the template once, and what stands there by mistake. */
export type Mutant = readonly [name: string, from: string, to: string]

const without = (name: string, line: string): Mutant => [name, `${line}\n`, '']

export const mutants: Readonly<Record<CheckName, readonly Mutant[]>> = {
  'parameters are described, labelled, and each in one group': [
    ['a parameter is in no group', 'MaxCount, RequestsPerTarget]', 'RequestsPerTarget]'],
    without('a parameter is not described', '    Description: VPC to run in.'),
    without('a parameter has no label', '      CacheTtl: { default: Lifetime of a cached secret }'),
  ],
  'all parameters but the network have defaults, which are taken': [
    without('a parameter must be given', '    Default: t3.small'),
    ['a default is refused', "    Default: '512'", "    Default: '3072'"],
  ],
  'by default nothing can be reached from the internet': [
    ['it faces the internet', 'Default: internal', 'Default: internet-facing'],
    ['anybody may connect', 'Default: 10.0.0.0/8', 'Default: 0.0.0.0/0'],
  ],
  'code names are of characters that a policy can hold, without variables': [
    ['a code name may hold a variable', '^[!-#%-+\\--~\\u00a1-\\u00ff]([ -#%-+', '^[!-#%-+\\--~\\u00a1-\\u00ff]([ -+'],
    ['a code name may be in Greek', '[!-#%-+\\--~\\u00a1-\\u00ff])?$', '[!-#%-+\\--~\\u00a1-\\u03ff])?$'],
    [
      'a code name may begin with a blank that stays',
      '^[!-#%-+\\--~\\u00a1-\\u00ff](',
      '^[!-#%-+\\--~\\u00a0-\\u00ff](',
    ],
    ['a code name may be nothing', '\\u00a1-\\u00ff])?$', '\\u00a1-\\u00ff])?$|^$'],
  ],
  'code names reach the program as they are': [
    ['code names are joined by what does not part them', "!Join [',', !Ref CodeNames]", "!Join [';', !Ref CodeNames]"],
  ],
  'what the patterns of the other options take, the program takes too': [
    ['a lifetime may be in weeks', '(ms|s|m|h|d))$', '(ms|s|m|h|d|w))$'],
    ['a table may have a name that is too short', '^[\\w.-]{3,255}$', '^[\\w.-]{1,255}$'],
  ],
  'addresses, ARNs and images are what they should be': [
    ['any address can be written so that the rule does not see it', '/([1-9]|[12]\\d|3[0-2])$', '/\\d{1,2}$'],
    ['the ARN of tokens may lack its end', '[\\w/+=.@-]+-[A-Za-z0-9]{6}$', '[\\w/+=.@-]+$'],
    ['a certificate may be anything', '^$|^arn:[\\w-]+:acm:', '^$|^.*|^arn:[\\w-]+:acm:'],
  ],
  'what is open to the internet needs a certificate and a token': [
    ['no rule holds for the internet', '[!Ref Scheme, internet-facing]', '[!Ref Scheme, external]'],
    [
      'it does without a certificate',
      "!Not [!Equals [!Ref CertificateArn, '']]\n        Ass",
      '!Equals [a, a]\n        Ass',
    ],
    ['any address does without a token', '[!Ref AllowedCidr, 0.0.0.0/0]', '[!Ref AllowedCidr, 0.0.0.0]'],
  ],
  'tasks on Fargate have a size that there is': [
    ['a size is made up', "[['512', '1024', '2048'], !Ref Memory]", "[['256', '512', '1024', '2048'], !Ref Memory]"],
    [
      'instances are bound to the sizes of Fargate',
      'RuleCondition: !Equals [!Ref LaunchType, FARGATE]\n    Ass',
      'Ass',
    ],
  ],

  'the container listens where the program does': [
    ['the container listens elsewhere', '            - ContainerPort: 5000', '            - ContainerPort: 8080'],
    ['an instance has room for one task', '            - ContainerPort: 5000', '            - HostPort: 5000'],
  ],
  'variables are those of the program, with values that it takes': [
    ['a variable is misspelt', 'Name: SECRET_BUS_TABLE,', 'Name: SECRET_BUS_TABLE_NAME,'],
    ['a value has another form', 'SECRET_BUS_DRAIN, Value: 5s', 'SECRET_BUS_DRAIN, Value: 5 seconds'],
    ['two values are mixed up', 'KEY_ATTRIBUTE, Value: !Ref KeyAttribute', 'KEY_ATTRIBUTE, Value: !Ref ValueAttribute'],
    without('the balancer is taken for the client', "            - { Name: SECRET_BUS_TRUST_PROXY, Value: 'true' }"),
  ],
  'the region is handed to the program': [
    without('there is no region', '            - { Name: AWS_REGION, Value: !Ref AWS::Region }'),
  ],
  'tokens come from Secrets Manager, where there are any': [
    ['tokens are always asked for', 'Secrets: !If\n            - HasToken', 'Secrets: !If\n            - OnFargate'],
    ['tokens are in another variable', 'SECRET_BUS_AUTH_TOKEN, ValueFrom', 'SECRET_BUS_AUTH_TOKENS, ValueFrom'],
  ],
  'the container is asked for its health as the image says': [
    ['a file is run that is not in the image', '/app/bundle/main.js, healthcheck', '/app/dist/main.js, healthcheck'],
    ['a shell is asked to run it', '[CMD, node, /app', '[CMD-SHELL, node, /app'],
  ],
  'the container is no more than it has to be': [
    without('it runs as root', '          User: node'),
    ['it may write', 'ReadonlyRootFilesystem: true', 'ReadonlyRootFilesystem: false'],
    without('it has capabilities', '            Capabilities: { Drop: [ALL] }'),
    ['it has too few descriptors', 'SoftLimit: 16384', 'SoftLimit: 1024'],
  ],
  'what the container says goes to the log group, and never stops it': [
    without('the region of the log is missing', '              awslogs-region: !Ref AWS::Region'),
    ['a full log stops the service', 'mode: non-blocking', 'mode: blocking'],
    [
      'it goes with the stack',
      'audit trail.\n    DeletionPolicy: RetainExceptOnCreate',
      'audit trail.\n    DeletionPolicy: Delete',
    ],
    ['it goes elsewhere', 'awslogs-group: !Ref LogGroup', 'awslogs-group: secret-bus'],
  ],
  'the task has the size and the image of the parameters': [
    ['the size is fixed', '      Memory: !Ref Memory', "      Memory: '512'"],
  ],
  'ECS may start tasks, and read the tokens, and nothing else': [
    without('it has no role for that', '      ExecutionRoleArn: !GetAtt ExecutionRole.Arn'),
    ['it has the role of the program', '!GetAtt ExecutionRole.Arn', '!GetAtt TaskRole.Arn'],
    ['it may read every secret', 'Resource: !Ref AuthTokenSecretArn', "Resource: '*'"],
  ],
  'the program may do what it does, with those items and attributes alone': [
    ['it may do what it never does', 'Action: dynamodb:GetItem', 'Action: [dynamodb:GetItem, dynamodb:Scan]'],
    ['it may not do what it does', 'Action: dynamodb:GetItem', 'Action: dynamodb:Query'],
    ['it may read every table', 'table/$', 'table/*$'],
    without('it may read every item', '                    dynamodb:LeadingKeys: !Ref CodeNames'),
    ['it may ask for whole items', 'Select: SPECIFIC_ATTRIBUTES', 'Select: [SPECIFIC_ATTRIBUTES, ALL_ATTRIBUTES]'],
    [
      'one value is enough',
      '                  ForAllValues:StringEquals:',
      '                  ForAnyValue:StringEquals:',
    ],
  ],
  'the attributes that the program names, the key among them, are those that it may read': [
    ['the key is missing', '[!Ref KeyAttribute, !Ref ValueAttribute]', '[!Ref ValueAttribute]'],
  ],

  'the balancer forwards to the container, by its name and port': [
    ['it has another name', '- ContainerName: secret-bus', '- ContainerName: secretbus'],
    ['it has another port', '          ContainerPort: 5000\n', '          ContainerPort: 8080\n'],
  ],
  'tasks on Fargate have addresses of their own, and those are the targets': [
    ['instances are the targets', '!If [OnFargate, ip, instance]', '!If [OnEc2, ip, instance]'],
    ['there is no public address', 'AssignPublicIp: !Ref AssignPublicIp', 'AssignPublicIp: DISABLED'],
  ],
  'tasks on instances share their addresses, and instances are the targets': [
    ['tasks are to have addresses', '!If [OnFargate, awsvpc, bridge]', 'awsvpc'],
    ['the cluster knows of no instances yet', '!If [OnEc2, !Ref CapacityProviders, !Ref Cluster]', '!Ref Cluster'],
  ],
  'the service waits for the listener, and for the way from it to the tasks': [
    ['it does not wait for the listener', '[Listener, TasksFromLoadBalancer]', '[TasksFromLoadBalancer]'],
  ],
  'a deployment replaces tasks one for one, and is rolled back if it fails': [
    ['it is not rolled back', 'Rollback: true', 'Rollback: false'],
    ['it takes tasks away first', 'MinimumHealthyPercent: 100', 'MinimumHealthyPercent: 50'],
  ],
  'the balancer asks whether tasks are ready, where the program says so to anybody': [
    ['there is nothing there', 'HealthCheckPath: /ready', 'HealthCheckPath: /readyz'],
    ['there it says that it is alive', 'HealthCheckPath: /ready', 'HealthCheckPath: /health'],
  ],
  'the listener speaks HTTPS where there is a certificate, and HTTP where there is none': [
    ['it speaks HTTP at the port of HTTPS', '!If [HasCertificate, HTTPS, HTTP]', 'HTTP'],
  ],
  'clients reach the listener alone, from the allowed addresses': [
    ['anybody may connect', 'CidrIp: !Ref AllowedCidr', 'CidrIp: 0.0.0.0/0'],
    ['every port is open', 'ToPort: !If [HasCertificate, 443, 80]', 'ToPort: 65535'],
  ],
  'nobody but the balancer reaches the tasks, and it reaches nothing else': [
    ['anybody reaches them', 'SourceSecurityGroupId: !Ref LoadBalancerSecurityGroup', 'CidrIp: 0.0.0.0/0'],
    ['it reaches no instances', '      ToPort: !If [OnFargate, 5000, 65535]\n\n', '      ToPort: 5000\n\n'],
    ['it reaches anything', 'DestinationSecurityGroupId: !Ref TaskSecurityGroup', 'CidrIp: 0.0.0.0/0'],
  ],
  'scaling follows CPU and requests, between the counts of the parameters': [
    ['it looks at another service', 'Service.Name}', 'Service.ServiceArn}'],
    ['it knows no bounds', 'MaxCapacity: !Ref MaxCount', 'MaxCapacity: 1000'],
  ],
  'nothing scales a service that is to have no tasks': [
    ['it is always scaled', "!Not [!Equals [!Ref DesiredCount, '0']]", "!Not [!Equals [!Ref DesiredCount, '']]"],
  ],
  'the clocks agree': [
    ['ECS kills it before it has ended', 'StopTimeout: 30', 'StopTimeout: 25'],
    ['it drains for longer than it has', 'SECRET_BUS_DRAIN, Value: 5s', 'SECRET_BUS_DRAIN, Value: 15s'],
    ['the balancer keeps connections for longer', "timeout_seconds, Value: '60'", "timeout_seconds, Value: '75'"],
    ['tasks are judged before they are ready', 'GracePeriodSeconds: 60', 'GracePeriodSeconds: 10'],
    ['requests on their way are cut off', "delay.timeout_seconds, Value: '30'", "delay.timeout_seconds, Value: '5'"],
  ],

  'CloudFormation can read it, and take it without a bucket': [
    ['it has an anchor', '    Type: AWS::ECS::Cluster\n', '    Type: &cluster AWS::ECS::Cluster\n'],
    ['it has a date', "AWSTemplateFormatVersion: '2010-09-09'", 'AWSTemplateFormatVersion: 2010-09-09'],
    ['it is too large', '# --- The task ---', `# --- The task ${'-'.repeat(51_200)}`],
  ],
  'nothing refers to what is not made': [
    ['a reference leads nowhere', '!Ref TaskDefinition', '!Ref Task'],
    ['what is referred to is not always there', 'Cluster: !If [OnEc2, !Ref', 'Cluster: !If [OnFargate, !Ref'],
    ['it waits for nothing', '[Listener, TasksFromLoadBalancer]', '[Listener, TasksFromLoadBalancer, Table]'],
  ],
  'there are instances for EC2 alone': [
    [
      'Fargate has a profile',
      'Type: AWS::IAM::InstanceProfile\n    Condition: OnEc2',
      'Type: AWS::IAM::InstanceProfile',
    ],
  ],
  'instances are of the newest image, keep their role to themselves, and join the cluster': [
    ['they have metadata for anybody', 'HttpTokens: required', 'HttpTokens: optional'],
    ['containers take their role', 'HttpPutResponseHopLimit: 1', 'HttpPutResponseHopLimit: 2'],
    ['they join another cluster', 'ECS_CLUSTER=$', 'ECS_CLUSTER=the-$'],
    without('they have no role', '        IamInstanceProfile: { Arn: !GetAtt InstanceProfile.Arn }'),
  ],
  'instances may be what ECS needs them to be': [
    ['they may do more', 'AmazonEC2ContainerServiceforEC2Role', 'AmazonECS_FullAccess'],
  ],
  'tasks bring their instances about': [
    ['their number is fixed', 'ManagedScaling: { Status: ENABLED', 'ManagedScaling: { Status: DISABLED'],
    ['a stack cannot be called ecs', 'Name: !Sub secret-bus-$', 'Name: !Sub ecs-$'],
  ],
  'the table is made when it is asked for, and outlives the stack': [
    [
      'secrets go with the stack',
      'MakesTable\n    DeletionPolicy: RetainExceptOnCreate',
      'MakesTable\n    DeletionPolicy: Delete',
    ],
    ['it is always made', 'Type: AWS::DynamoDB::Table\n    Condition: MakesTable', 'Type: AWS::DynamoDB::Table'],
    ['it has no way back', 'PointInTimeRecoveryEnabled: true', 'PointInTimeRecoveryEnabled: false'],
    ['it has another key', '{ AttributeName: !Ref KeyAttribute, KeyType', '{ AttributeName: code_name, KeyType'],
  ],
  'somebody is told of errors, of tasks that are not ready, and of throttling': [
    ['nobody counts such', 'MetricName: ReadThrottleEvents', 'MetricName: ReadThrottles'],
    [
      'nobody is told',
      'notBreaching\n      AlarmActions: [!Ref AlarmTopic]\n      OKActions: [!Ref AlarmTopic]\n\nOut',
      'notBreaching\n\nOut',
    ],
  ],
  'the outputs say where the service is, and where it logs': [
    ['the URL is that of HTTP', '!Sub https://', '!Sub http://'],
    ['the service has another name', 'Value: !GetAtt Service.Name', 'Value: !Ref Service'],
  ],

  'the validator of AWS has nothing to say': [
    ['a property does not exist', 'GroupDescription: Balancer', 'GroupDescriptions: Balancer'],
    [
      'a value does not exist',
      'ScaleInCooldown: 300\n\n  ScalingOnRequests',
      'ScaleInCooldown: soon\n\n  ScalingOnRequests',
    ],
    [
      'two resources wait for each other',
      '    Type: AWS::ECS::Cluster\n',
      '    Type: AWS::ECS::Cluster\n    DependsOn: Service\n',
    ],
  ],
}
