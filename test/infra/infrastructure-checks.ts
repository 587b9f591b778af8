/** Checks of the file itself, the instances, the table and the outputs. */
import { expect } from 'vitest'
import { at } from '../support/project/template.ts'
import {
  type Checks,
  certificate,
  dependencies,
  everyCombination,
  network,
  onEc2,
  onFargate,
  properties,
} from './stacks.ts'

const ec2Types = ['AWS::AutoScaling', 'AWS::EC2::LaunchTemplate', 'AWS::IAM::InstanceProfile', 'AWS::ECS::Capacity']

export const infrastructureChecks = {
  'CloudFormation can parse the template and deploy it without a bucket': (template) => {
    // Anchors, aliases, dates, nulls and duplicate keys are errors.
    expect(template.section('Resources')).not.toEqual({})
    expect(Buffer.byteLength(template.text)).toBeLessThan(51_200)
    expect(template.text).toMatch(/^[\x20-\x7e\n]+$/)
  },

  'references and dependencies name resources that exist': (template) => {
    for (const parameters of everyCombination) {
      const { resources } = template.stack(parameters)

      expect(Object.keys(resources)).toEqual(expect.arrayContaining(Object.values(resources).flatMap(dependencies)))
    }
  },

  'instances exist only with launch type EC2': (template) => {
    const typesFor = (parameters: Record<string, string>) => {
      const types = Object.values(template.stack(parameters).resources).map((resource) => String(at(resource, 'Type')))
      return ec2Types.filter((prefix) => types.some((type) => type.startsWith(prefix)))
    }

    expect(typesFor(onFargate)).toEqual([])
    expect(typesFor(onEc2)).toEqual(ec2Types)
  },

  'instances use the latest AMI, protect their role and join the cluster': (template) => {
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

  'the instance role has only the managed policy for ECS': (template) => {
    const stack = template.stack(onEc2)

    expect(properties(stack, 'InstanceProfile')).toEqual({ Roles: ['<InstanceRole>'] })
    expect(properties(stack, 'InstanceRole')).toEqual({
      AssumeRolePolicyDocument: expect.objectContaining({
        Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
      }),
      ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role'],
    })
  },

  'instances scale with the tasks': (template) => {
    const stack = template.stack({ ...onEc2, MaxInstances: '9' })

    expect(properties(stack, 'AutoScalingGroup')).toMatchObject({
      VPCZoneIdentifier: network.SubnetIds.split(', '),
      MinSize: '0',
      MaxSize: '9',
      LaunchTemplate: { LaunchTemplateId: '<LaunchTemplate>', Version: '<LaunchTemplate.LatestVersionNumber>' },
    })
    expect(properties(stack, 'CapacityProvider')).toMatchObject({
      // ECS rejects names that start with aws, ecs or fargate, but stack names may start with these.
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

  'the table is created on request and outlives the stack': (template) => {
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

  'the outputs contain the URL and the names of the resources': (template) => {
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
      Dashboard: '<Dashboard>',
      TableName: 'devops-challenge',
    })
    expect(valuesOf(certificate)).toMatchObject({ Url: 'https://<LoadBalancer.DNSName>/secret' })
  },
} satisfies Checks
