/** Mutations of the template, by the check that must detect them. Every check has at least one. */
import type { CheckName } from './checks.ts'

/** Replaces `from`, which occurs once in the template, with `to`. The name completes "a check fails if". */
export type Mutant = readonly [name: string, from: string, to: string]

/** Before the pattern of `CodeNames`, which `ClientsSecretCodeName` repeats. */
const one = 'a policy variable.\n    AllowedPattern: '

const neither = "[!Equals [!Ref ClientsSecretCodeName, ''], !Equals [!Ref AuthTokenSecretArn, '']]"

const without = (name: string, line: string): Mutant => [name, `${line}\n`, '']

export const mutants: Readonly<Record<CheckName, readonly Mutant[]>> = {
  'every parameter has a description, a label and one group': [
    ['a parameter has no group', 'MaxCount, RequestsPerTarget]', 'RequestsPerTarget]'],
    without('a parameter has no description', '    Description: VPC of the load balancer and the tasks.'),
    without('a parameter has no label', '      CacheTtl: { default: Cache TTL }'),
  ],
  'all parameters except the network have valid defaults': [
    without('a parameter has no default', '    Default: t3.small'),
    ['a default violates a rule', "    Default: '512'", "    Default: '3072'"],
  ],
  'nothing is reachable from the internet by default': [
    ['the load balancer is internet-facing', 'Default: internal', 'Default: internet-facing'],
    ['any address can connect', 'Default: 10.0.0.0/8', 'Default: 0.0.0.0/0'],
  ],
  'code names contain only characters that policies allow, and no policy variables': [
    ['$ is allowed', `${one}^[!-#%-+\\--~\\u00a1-\\u00ff]([ -#%-+`, `${one}^[!-#%-+\\--~\\u00a1-\\u00ff]([ -+`],
    [
      'Greek letters are allowed',
      `[!-#%-+\\--~\\u00a1-\\u00ff])?$\n    ConstraintDescription: names`,
      `[!-#%-+\\--~\\u00a1-\\u03ff])?$\n    ConstraintDescription: names`,
    ],
    [
      'a leading no-break space is allowed',
      `${one}^[!-#%-+\\--~\\u00a1-\\u00ff](`,
      `${one}^[!-#%-+\\--~\\u00a0-\\u00ff](`,
    ],
    [
      'an empty name is allowed',
      '\\u00a1-\\u00ff])?$\n    ConstraintDescription: names',
      '\\u00a1-\\u00ff])?$|^$\n    ConstraintDescription: names',
    ],
    [
      'a comma is allowed in the name for the clients',
      '^$|^[!-#%-+\\--~\\u00a1-\\u00ff](',
      '^$|^[!-#%-~\\u00a1-\\u00ff](',
    ],
    ['the name for the clients is required', '^$|^[!-#%-+', '^[!-#%-+'],
  ],
  'code names reach the program unchanged': [
    [
      'names are joined with another separator',
      "Value: !Join [',', !Ref CodeNames]",
      "Value: !Join [';', !Ref CodeNames]",
    ],
  ],
  'by default, the age of a secret is bounded, also during an outage': [
    ['secrets are refreshed only by a reload', 'Default: 1m', 'Default: forever'],
    ['an outage removes the bound', 'Default: 1h', 'Default: forever'],
  ],
  'the program accepts the option values that the patterns accept': [
    [
      'a TTL in weeks is allowed',
      '(ms|s|m|h|d))$\n    ConstraintDescription: a duration such as 30s',
      '(ms|s|m|h|d|w))$\n    ConstraintDescription: a duration such as 30s',
    ],
    [
      'a negative staleness is allowed',
      '^(0|forever|\\d+(\\.\\d+)?(ms|s|m|h|d))$\n    ConstraintDescription: a duration such as 30m',
      '^(0|forever|-?\\d+(\\.\\d+)?(ms|s|m|h|d))$\n    ConstraintDescription: a duration such as 30m',
    ],
    ['a table name can be too short', '^[\\w.-]{3,255}$', '^[\\w.-]{1,255}$'],
  ],
  'addresses, ARNs and images are validated': [
    ['another notation of 0.0.0.0/0 bypasses the rule', '/([1-9]|[12]\\d|3[0-2])$', '/\\d{1,2}$'],
    ['a partial ARN of the tokens is allowed', '[\\w/+=.@-]+-[A-Za-z0-9]{6}$', '[\\w/+=.@-]+$'],
    ['any text is allowed as the certificate', '^$|^arn:[\\w-]+:acm:', '^$|^.*|^arn:[\\w-]+:acm:'],
  ],
  'access from the internet requires a certificate and tokens': [
    ['the rule does not apply to internet-facing', '[!Ref Scheme, internet-facing]', '[!Ref Scheme, external]'],
    [
      'the certificate is optional',
      "!Not [!Equals [!Ref CertificateArn, '']]\n        Ass",
      '!Equals [a, a]\n        Ass',
    ],
    [
      'clients are not accepted for any address',
      `!Not [!And ${neither}]\n        AssertDescription: >-\n          AllowedCidr`,
      "!Not [!Equals [!Ref AuthTokenSecretArn, '']]\n        AssertDescription: >-\n          AllowedCidr",
    ],
    [
      'tokens are not accepted from the internet',
      `!Not [!And ${neither}]\n        AssertDescription: >-\n          internet`,
      "!Not [!Equals [!Ref ClientsSecretCodeName, '']]\n        AssertDescription: >-\n          internet",
    ],
    ['the token is optional for any address', '[!Ref AllowedCidr, 0.0.0.0/0]', '[!Ref AllowedCidr, 0.0.0.0]'],
  ],
  'access without a token is explicit': [
    [
      'it is allowed by default',
      "    AllowedValues: ['true', 'false']\n    Default: 'false'\n\n  LaunchType",
      "    AllowedValues: ['true', 'false']\n    Default: 'true'\n\n  LaunchType",
    ],
    [
      'the rule accepts everything',
      "Assert: !Equals [!Ref AllowAnonymous, 'true']",
      "Assert: !Equals ['true', 'true']",
    ],
    [
      'the program does not receive it',
      'SECRET_BUS_ALLOW_ANONYMOUS, Value: !Ref AllowAnonymous',
      "SECRET_BUS_ALLOW_ANONYMOUS, Value: 'false'",
    ],
    [
      'the program always receives true',
      'SECRET_BUS_ALLOW_ANONYMOUS, Value: !Ref AllowAnonymous',
      "SECRET_BUS_ALLOW_ANONYMOUS, Value: 'true'",
    ],
  ],
  'clients and tokens exclude each other, and clients are not served': [
    [
      'both are accepted',
      "Assert: !Equals [!Ref AuthTokenSecretArn, '']",
      'Assert: !Equals [!Ref ClientsSecretCodeName, !Ref ClientsSecretCodeName]',
    ],
    [
      'the rule applies to tokens alone',
      "OneSourceOfTokens:\n    RuleCondition: !Not [!Equals [!Ref ClientsSecretCodeName, '']]\n",
      'OneSourceOfTokens:\n',
    ],
    [
      'the document can be served',
      'Fn::Contains: [!Ref CodeNames, !Ref ClientsSecretCodeName]',
      "Fn::Contains: [!Ref CodeNames, '']",
    ],
  ],
  'Fargate tasks have a supported size': [
    [
      'an unsupported size is allowed',
      "[['512', '1024', '2048'], !Ref Memory]",
      "[['256', '512', '1024', '2048'], !Ref Memory]",
    ],
    ['the rule applies to EC2', 'RuleCondition: !Equals [!Ref LaunchType, FARGATE]\n    Ass', 'Ass'],
  ],

  'the container exposes the port of the program': [
    ['it exposes another port', '            - ContainerPort: 5000', '            - ContainerPort: 8080'],
    [
      'a fixed host port limits instances to one task',
      '            - ContainerPort: 5000',
      '            - HostPort: 5000',
    ],
  ],
  'environment variables are valid options of the program': [
    ['a variable has an unknown name', 'Name: SECRET_BUS_TABLE,', 'Name: SECRET_BUS_TABLE_NAME,'],
    ['a value has an invalid format', 'SECRET_BUS_DRAIN, Value: 5s', 'SECRET_BUS_DRAIN, Value: 5 seconds'],
    [
      'a variable has the value of another',
      'KEY_ATTRIBUTE, Value: !Ref KeyAttribute',
      'KEY_ATTRIBUTE, Value: !Ref ValueAttribute',
    ],
    without(
      'the program does not receive a parameter',
      '            - { Name: SECRET_BUS_MAX_STALE, Value: !Ref MaxStale }',
    ),
    without(
      'the program takes the load balancer for the client',
      "            - { Name: SECRET_BUS_TRUST_PROXY, Value: 'true' }",
    ),
  ],
  'the container receives the region': [
    without('the region is missing', '            - { Name: AWS_REGION, Value: !Ref AWS::Region }'),
  ],
  'tokens, if configured, come from Secrets Manager': [
    ['tokens are always required', 'Secrets: !If\n            - HasToken', 'Secrets: !If\n            - OnFargate'],
    ['tokens are in another variable', 'SECRET_BUS_AUTH_TOKEN, ValueFrom', 'SECRET_BUS_AUTH_TOKENS, ValueFrom'],
  ],
  'clients, if configured, are an item of the table': [
    [
      'an empty name reaches the program',
      '- HasClients\n              - { Name: SECRET_BUS',
      '- OnFargate\n              - { Name: SECRET_BUS',
    ],
    [
      'the name of another item reaches the program',
      'CLIENTS_SECRET, Value: !Ref ClientsSecretCodeName',
      'CLIENTS_SECRET, Value: !Ref TableName',
    ],
  ],
  'the container has the health check of the image': [
    ['the image does not contain the file', '/app/bundle/main.js, healthcheck', '/app/dist/main.js, healthcheck'],
    ['the command runs in a shell', '[CMD, node, /app', '[CMD-SHELL, node, /app'],
  ],
  'the container has minimal privileges and enough file descriptors': [
    without('it runs as root', '          User: node'),
    ['its file system is writable', 'ReadonlyRootFilesystem: true', 'ReadonlyRootFilesystem: false'],
    without('it keeps capabilities', '            Capabilities: { Drop: [ALL] }'),
    ['it has too few file descriptors', 'SoftLimit: 16384', 'SoftLimit: 1024'],
  ],
  'the container logs to the log group without blocking': [
    without('the region of the log is missing', '              awslogs-region: !Ref AWS::Region'),
    ['a slow log blocks the service', 'mode: non-blocking', 'mode: blocking'],
    [
      'deleting the stack deletes the log',
      'audit trail.\n    DeletionPolicy: RetainExceptOnCreate',
      'audit trail.\n    DeletionPolicy: Delete',
    ],
    ['it logs to another group', 'awslogs-group: !Ref LogGroup', 'awslogs-group: secret-bus'],
  ],
  'the task uses the size and the image of the parameters': [
    ['the size is fixed', '      Memory: !Ref Memory', "      Memory: '512'"],
  ],
  'the execution role allows only starting tasks and reading the tokens': [
    without('the task has no execution role', '      ExecutionRoleArn: !GetAtt ExecutionRole.Arn'),
    ['the task role is used instead', '!GetAtt ExecutionRole.Arn', '!GetAtt TaskRole.Arn'],
    ['it allows reading every secret', 'Resource: !Ref AuthTokenSecretArn', "Resource: '*'"],
  ],
  'the task role allows only the calls that the program makes, limited to its items and attributes': [
    ['it allows an unused action', 'Action: dynamodb:GetItem', 'Action: [dynamodb:GetItem, dynamodb:Scan]'],
    ['it does not allow a used action', 'Action: dynamodb:GetItem', 'Action: dynamodb:Query'],
    ['it allows every table', 'table/$', 'table/*$'],
    ['it allows every item', 'dynamodb:LeadingKeys', 'dynamodb:LeadingKey'],
    ['it allows whole items', 'Select: SPECIFIC_ATTRIBUTES', 'Select: [SPECIFIC_ATTRIBUTES, ALL_ATTRIBUTES]'],
    [
      'one matching value is enough',
      '                  ForAllValues:StringEquals:',
      '                  ForAnyValue:StringEquals:',
    ],
  ],
  'the task role allows reading the document of clients': [
    [
      'only the secrets are allowed',
      "!Split [',', !Join [',', [!Join [',', !Ref CodeNames], !Ref ClientsSecretCodeName]]]",
      '!Ref CodeNames',
    ],
    ['only the document is allowed', "[!Join [',', !Ref CodeNames], !Ref Clients", '[!Ref Clients'],
    [
      'a list is in the list',
      "!Split [',', !Join [',', [!Join [',', !Ref",
      "!Split [';', !Join [',', [!Join [',', !Ref",
    ],
    [
      'an empty key is allowed',
      'LeadingKeys: !If\n                      - HasClients',
      'LeadingKeys: !If\n                      - OnFargate',
    ],
  ],
  'the task role allows exactly the attributes in the requests of the program': [
    ['the key is missing', '[!Ref KeyAttribute, !Ref ValueAttribute]', '[!Ref ValueAttribute]'],
  ],

  'the load balancer forwards to the container by name and port': [
    ['the name differs', '- ContainerName: secret-bus', '- ContainerName: secretbus'],
    ['the port differs', '          ContainerPort: 5000\n', '          ContainerPort: 8080\n'],
  ],
  'on Fargate, tasks have their own addresses and are the targets': [
    ['instances are the targets', '!If [OnFargate, ip, instance]', '!If [OnEc2, ip, instance]'],
    ['the public IP parameter is ignored', 'AssignPublicIp: !Ref AssignPublicIp', 'AssignPublicIp: DISABLED'],
  ],
  'on EC2, tasks share the address of their instance and instances are the targets': [
    ['tasks have their own addresses', '!If [OnFargate, awsvpc, bridge]', 'awsvpc'],
    [
      'the service does not wait for the capacity provider',
      '!If [OnEc2, !Ref CapacityProviders, !Ref Cluster]',
      '!Ref Cluster',
    ],
  ],
  'the service depends on the listener and on the ingress rule of the tasks': [
    ['it does not depend on the listener', '[Listener, TasksFromLoadBalancer]', '[TasksFromLoadBalancer]'],
  ],
  'a deployment keeps full capacity and rolls back on failure': [
    ['it does not roll back', 'Rollback: true', 'Rollback: false'],
    ['it stops tasks first', 'MinimumHealthyPercent: 100', 'MinimumHealthyPercent: 50'],
  ],
  'the load balancer checks readiness on a path without authentication': [
    ['the path does not exist', 'HealthCheckPath: /ready', 'HealthCheckPath: /readyz'],
    ['the path reports liveness', 'HealthCheckPath: /ready', 'HealthCheckPath: /health'],
  ],
  'the listener uses HTTPS with a certificate and HTTP without': [
    ['it uses HTTP on the HTTPS port', '!If [HasCertificate, HTTPS, HTTP]', 'HTTP'],
  ],
  'clients reach only the listener, from the allowed addresses': [
    ['any address can connect', 'CidrIp: !Ref AllowedCidr', 'CidrIp: 0.0.0.0/0'],
    ['every port is open', 'ToPort: !If [HasCertificate, 443, 80]', 'ToPort: 65535'],
  ],
  'only the load balancer reaches the tasks, and it reaches nothing else': [
    ['any address reaches the tasks', 'SourceSecurityGroupId: !Ref LoadBalancerSecurityGroup', 'CidrIp: 0.0.0.0/0'],
    ['it does not reach instances', '      ToPort: !If [OnFargate, 5000, 65535]\n\n', '      ToPort: 5000\n\n'],
    ['it reaches any address', 'DestinationSecurityGroupId: !Ref TaskSecurityGroup', 'CidrIp: 0.0.0.0/0'],
  ],
  'scaling follows CPU and requests, within the limits of the parameters': [
    ['it scales another service', 'Service.Name}\n      MinCapacity', 'Service.ServiceArn}\n      MinCapacity'],
    ['the maximum is fixed', 'MaxCapacity: !Ref MaxCount', 'MaxCapacity: 1000'],
  ],
  'a service without tasks is not scaled': [
    ['it is always scaled', "!Not [!Equals [!Ref DesiredCount, '0']]", "!Not [!Equals [!Ref DesiredCount, '']]"],
  ],
  'the timeouts are consistent': [
    ['ECS kills the container during its shutdown', 'StopTimeout: 30', 'StopTimeout: 25'],
    ['the drain period is too long', 'SECRET_BUS_DRAIN, Value: 5s', 'SECRET_BUS_DRAIN, Value: 15s'],
    ['the service closes idle connections first', "timeout_seconds, Value: '60'", "timeout_seconds, Value: '75'"],
    ['the grace period is too short', 'GracePeriodSeconds: 60', 'GracePeriodSeconds: 10'],
    ['requests in flight are interrupted', "delay.timeout_seconds, Value: '30'", "delay.timeout_seconds, Value: '5'"],
  ],

  'CloudFormation can parse the template and deploy it without a bucket': [
    ['it contains an anchor', '    Type: AWS::ECS::Cluster\n', '    Type: &cluster AWS::ECS::Cluster\n'],
    ['it contains a date', "AWSTemplateFormatVersion: '2010-09-09'", 'AWSTemplateFormatVersion: 2010-09-09'],
    ['it is too large', '# --- Task ---', `# --- Task ${'-'.repeat(51_200)}`],
  ],
  'references and dependencies name resources that exist': [
    ['a reference has an unknown name', '!Ref TaskDefinition', '!Ref Task'],
    ['a referenced resource is conditional', 'Cluster: !If [OnEc2, !Ref', 'Cluster: !If [OnFargate, !Ref'],
    ['a dependency is conditional', '[Listener, TasksFromLoadBalancer]', '[Listener, TasksFromLoadBalancer, Table]'],
  ],
  'instances exist only with launch type EC2': [
    [
      'Fargate has an instance profile',
      'Type: AWS::IAM::InstanceProfile\n    Condition: OnEc2',
      'Type: AWS::IAM::InstanceProfile',
    ],
  ],
  'instances use the latest AMI, protect their role and join the cluster': [
    ['IMDSv1 is enabled', 'HttpTokens: required', 'HttpTokens: optional'],
    ['containers can use the role', 'HttpPutResponseHopLimit: 1', 'HttpPutResponseHopLimit: 2'],
    ['they join another cluster', 'ECS_CLUSTER=$', 'ECS_CLUSTER=the-$'],
    without('they have no role', '        IamInstanceProfile: { Arn: !GetAtt InstanceProfile.Arn }'),
  ],
  'the instance role has only the managed policy for ECS': [
    ['it has a broader policy', 'AmazonEC2ContainerServiceforEC2Role', 'AmazonECS_FullAccess'],
  ],
  'instances scale with the tasks': [
    ['managed scaling is disabled', 'ManagedScaling: { Status: ENABLED', 'ManagedScaling: { Status: DISABLED'],
    ['the capacity provider has a reserved name', 'Name: !Sub secret-bus-$', 'Name: !Sub ecs-$'],
  ],
  'the table is created on request and outlives the stack': [
    [
      'deleting the stack deletes the table',
      'MakesTable\n    DeletionPolicy: RetainExceptOnCreate',
      'MakesTable\n    DeletionPolicy: Delete',
    ],
    ['it is always created', 'Type: AWS::DynamoDB::Table\n    Condition: MakesTable', 'Type: AWS::DynamoDB::Table'],
    ['it has no point-in-time recovery', 'PointInTimeRecoveryEnabled: true', 'PointInTimeRecoveryEnabled: false'],
    ['it has another key', '{ AttributeName: !Ref KeyAttribute, KeyType', '{ AttributeName: code_name, KeyType'],
  ],
  'alarms cover errors, unready tasks, throttling, failed refreshes and stale replies': [
    ['a metric does not exist', 'MetricName: ReadThrottleEvents', 'MetricName: ReadThrottles'],
    [
      'an alarm has no action',
      'notBreaching\n      AlarmActions: [!Ref AlarmTopic]\n      OKActions: [!Ref AlarmTopic]\n\n  # --- Dashboard',
      'notBreaching\n\n  # --- Dashboard',
    ],
    [
      'an alarm watches the metrics of another stack',
      '{AWS::StackName}\n      MetricName: StaleReplies',
      '{AWS::Region}\n      MetricName: StaleReplies',
    ],
  ],
  'an alarm for failed refreshes lasts 15 minutes, because an outage is logged once': [
    without('it ends after the first period', '      DatapointsToAlarm: 1'),
  ],
  'the metric filters count failed refreshes and stale replies in the log of a service, and nothing else': [
    ['repeated failures count', '{ $.level = "warn" && $.msg = "Failed', '{ $.msg = "Failed'],
    ['other warnings count', ' && $.msg = "Failed to fetch secret *"', ''],
    ['the level is a number', '$.level = "warn"', '$.level = "40"'],
    ['fresh replies count', 'hit; ttl=-*', 'hit; ttl=*'],
    ['the message has another text', '"Secret accessed"', '"Accessed secret"'],
    [
      'the metric is in another namespace',
      '{AWS::StackName}\n          MetricName: StaleReplies',
      '{AWS::Region}\n          MetricName: StaleReplies',
    ],
  ],
  'the dashboard shows the load balancer, the tasks, the table and the log': [
    ['a metric does not exist', '"HealthyHostCount"', '"HealthyHosts"'],
    ['it shows another table', '{TableName}"]', '{CodeNames}"]'],
    ['it is not JSON', '"title": "Warnings and errors",', '"title": "Warnings and errors"'],
    ['it names another log', "{LogGroup}' | ", "{Cluster}' | "],
  ],
  'the widgets of the dashboard do not overlap': [
    ['a widget is wider', '"x": 8, "y": 6, "width": 8', '"x": 8, "y": 6, "width": 9'],
  ],
  'the outputs contain the URL and the names of the resources': [
    ['the URL has the wrong scheme', '!Sub https://', '!Sub http://'],
    ['the service name is the ARN', 'Value: !GetAtt Service.Name', 'Value: !Ref Service'],
  ],

  'the AWS validator reports nothing': [
    ['a property does not exist', 'GroupDescription: Balancer', 'GroupDescriptions: Balancer'],
    [
      'a value has the wrong type',
      'ScaleInCooldown: 300\n\n  ScalingOnRequests',
      'ScaleInCooldown: soon\n\n  ScalingOnRequests',
    ],
    [
      'two resources depend on each other',
      '    Type: AWS::ECS::Cluster\n',
      '    Type: AWS::ECS::Cluster\n    DependsOn: Service\n',
    ],
  ],
}
