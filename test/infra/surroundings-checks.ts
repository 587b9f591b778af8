/** The template as a file, and what it makes around the service: instances, the table, alarms, outputs. */
import { expect } from 'vitest'
import { at } from '../support/project/template.ts'
import {
  type Checks,
  certificate,
  everyCombination,
  network,
  ofType,
  onEc2,
  onFargate,
  properties,
  waitsFor,
} from './stacks.ts'

const machines = ['AWS::AutoScaling', 'AWS::EC2::LaunchTemplate', 'AWS::IAM::InstanceProfile', 'AWS::ECS::Capacity']

export const surroundingsChecks = {
  'CloudFormation can read it, and take it without a bucket': (template) => {
    // Anchors, aliases, dates, nulls and duplicate keys are errors.
    expect(template.section('Resources')).not.toEqual({})
    expect(Buffer.byteLength(template.text)).toBeLessThan(51_200)
    expect(template.text).toMatch(/^[\x20-\x7e\n]+$/)
  },

  'nothing refers to what is not made': (template) => {
    for (const parameters of everyCombination) {
      const { resources } = template.stack(parameters)

      expect(Object.keys(resources)).toEqual(expect.arrayContaining(Object.values(resources).flatMap(waitsFor)))
    }
  },

  'there are instances for EC2 alone': (template) => {
    const typesFor = (parameters: Record<string, string>) => {
      const types = Object.values(template.stack(parameters).resources).map((resource) => String(at(resource, 'Type')))
      return machines.filter((machine) => types.some((type) => type.startsWith(machine)))
    }

    expect(typesFor(onFargate)).toEqual([])
    expect(typesFor(onEc2)).toEqual(machines)
  },

  'instances are of the newest image, keep their role to themselves, and join the cluster': (template) => {
    const data = (more: object) =>
      at(
        properties(template.stack({ ...onEc2, InstanceType: 'm7i.large', ...more }), 'LaunchTemplate'),
        'LaunchTemplateData',
      )

    expect(data({})).toMatchObject({
      ImageId: '{{resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id}}',
      InstanceType: 'm7i.large',
      IamInstanceProfile: { Arn: '<InstanceProfile.Arn>' },
      MetadataOptions: { HttpEndpoint: 'enabled', HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
      NetworkInterfaces: [{ Groups: ['<TaskSecurityGroup>'], AssociatePublicIpAddress: false }],
      BlockDeviceMappings: [{ Ebs: { Encrypted: true } }],
      UserData: '#!/bin/bash\necho ECS_CLUSTER=<Cluster> >> /etc/ecs/ecs.config\n',
    })
    expect(at(data({ AssignPublicIp: 'ENABLED' }), 'NetworkInterfaces', 0)).toMatchObject({
      AssociatePublicIpAddress: true,
    })
  },

  'instances may be what ECS needs them to be': (template) => {
    const stack = template.stack(onEc2)

    expect(properties(stack, 'InstanceProfile')).toEqual({ Roles: ['<InstanceRole>'] })
    expect(properties(stack, 'InstanceRole')).toEqual({
      AssumeRolePolicyDocument: expect.objectContaining({
        Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
      }),
      ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role'],
    })
  },

  'tasks bring their instances about': (template) => {
    const stack = template.stack({ ...onEc2, MaxInstances: '9' })

    expect(properties(stack, 'AutoScalingGroup')).toMatchObject({
      VPCZoneIdentifier: network.SubnetIds.split(', '),
      MinSize: '0',
      MaxSize: '9',
      LaunchTemplate: { LaunchTemplateId: '<LaunchTemplate>', Version: '<LaunchTemplate.LatestVersionNumber>' },
    })
    expect(properties(stack, 'CapacityProvider')).toMatchObject({
      // ECS refuses names that begin with aws, ecs or fargate, as a stack's name may.
      Name: expect.stringMatching(/^(?!aws|ecs|fargate)[\w-]+$/i),
      AutoScalingGroupProvider: {
        AutoScalingGroupArn: '<AutoScalingGroup>',
        ManagedScaling: { Status: 'ENABLED' },
        ManagedDraining: 'ENABLED',
      },
    })
    expect(properties(stack, 'CapacityProviders')).toMatchObject({
      Cluster: '<Cluster>',
      CapacityProviders: ['<CapacityProvider>'],
    })
  },

  'the table is made when it is asked for, and outlives the stack': (template) => {
    const stack = template.stack({ ...network, CreateTable: 'true', TableName: 'secrets', KeyAttribute: 'id' })

    expect(template.stack(network).resources).not.toHaveProperty('Table')
    expect(stack.resources['Table']).toMatchObject({
      DeletionPolicy: 'RetainExceptOnCreate',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        TableName: 'secrets',
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        SSESpecification: { SSEEnabled: true },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
    })
  },

  'somebody is told of errors, of tasks that are not ready, and of throttling': (template) => {
    const stack = template.stack({ ...network, TableName: 'secrets' })
    const balancer = { Name: 'LoadBalancer', Value: '<LoadBalancer.LoadBalancerFullName>' }
    const target = { Name: 'TargetGroup', Value: '<TargetGroup.TargetGroupFullName>' }
    const expected = [
      ['AWS/ApplicationELB', 'HTTPCode_Target_5XX_Count', [balancer, target]],
      ['AWS/ApplicationELB', 'HTTPCode_ELB_5XX_Count', [balancer]],
      ['AWS/ApplicationELB', 'UnHealthyHostCount', [balancer, target]],
      ['AWS/DynamoDB', 'ReadThrottleEvents', [{ Name: 'TableName', Value: 'secrets' }]],
    ]

    const alarms = ofType(stack, 'AWS::CloudWatch::Alarm')
    const watched = alarms.map(({ Namespace, MetricName, Dimensions }) => [Namespace, MetricName, Dimensions])
    expect(watched).toEqual(expected)
    for (const alarm of alarms)
      expect(alarm).toMatchObject({
        ComparisonOperator: 'GreaterThanThreshold',
        TreatMissingData: 'notBreaching', // no requests are no errors
        AlarmActions: ['<AlarmTopic>'],
      })
  },

  'the outputs say where the service is, and where it logs': (template) => {
    const valuesOf = (more: object) => {
      const outputs = Object.entries(template.stack({ ...network, ...more }).outputs)
      return Object.fromEntries(outputs.map(([name, output]) => [name, at(output, 'Value')]))
    }

    expect(valuesOf({})).toEqual({
      Url: 'http://<LoadBalancer.DNSName>/secret',
      LogGroup: '<LogGroup>',
      ClusterName: '<Cluster>',
      ServiceName: '<Service.Name>',
      AlarmTopic: '<AlarmTopic>',
      TableName: 'devops-challenge',
    })
    expect(valuesOf(certificate)).toMatchObject({ Url: 'https://<LoadBalancer.DNSName>/secret' })
  },
} satisfies Checks
