/** The service, the balancer in front of it, and who reaches whom. */
import { expect } from 'vitest'
import { defaultLimits } from '../../src/handlers/server/limits.ts'
import { readOptions } from '../../src/runtime/options/load.ts'
import { at, type Stack } from '../support/project/template.ts'
import { image, program } from './program.ts'
import {
  type Checks,
  certificate,
  container,
  network,
  ofType,
  onEc2,
  onFargate,
  pairs,
  properties,
  waitsFor,
} from './stacks.ts'

/** The ports at which targets are registered: that of the container, or any that the host gives away. */
const targetPorts = { Fargate: { FromPort: image.port, ToPort: image.port }, Ec2: { FromPort: 32_768, ToPort: 65_535 } }

/** In milliseconds. */
const seconds = (value: unknown) => Number(value) * 1_000

export const serviceChecks = {
  'the balancer forwards to the container, by its name and port': (template) => {
    const stack = template.stack(network)
    const { Name: name, PortMappings: ports } = container(stack)

    expect(properties(stack, 'Service')).toMatchObject({
      TaskDefinition: '<TaskDefinition>',
      LoadBalancers: [
        { ContainerName: name, ContainerPort: at(ports, 0, 'ContainerPort'), TargetGroupArn: '<TargetGroup>' },
      ],
    })
    expect(properties(stack, 'TargetGroup')).toMatchObject({ Protocol: 'HTTP', Port: image.port, VpcId: network.VpcId })
  },

  'tasks on Fargate have addresses of their own, and those are the targets': (template) => {
    const stack = template.stack({ ...onFargate, AssignPublicIp: 'ENABLED' })
    const service = properties(stack, 'Service')

    expect(properties(stack, 'TaskDefinition')).toMatchObject({
      RequiresCompatibilities: ['FARGATE'],
      NetworkMode: 'awsvpc',
    })
    expect(properties(stack, 'TargetGroup')).toMatchObject({ TargetType: 'ip' })
    expect(service).toMatchObject({ LaunchType: 'FARGATE', Cluster: '<Cluster>' })
    expect(service).not.toHaveProperty('CapacityProviderStrategy')
    expect(at(service, 'NetworkConfiguration', 'AwsvpcConfiguration')).toEqual({
      Subnets: network.SubnetIds.split(', '),
      SecurityGroups: ['<TaskSecurityGroup>'],
      AssignPublicIp: 'ENABLED',
    })
  },

  'tasks on instances share their addresses, and instances are the targets': (template) => {
    const stack = template.stack(onEc2)
    const service = properties(stack, 'Service')

    expect(properties(stack, 'TaskDefinition')).toMatchObject({
      RequiresCompatibilities: ['EC2'],
      NetworkMode: 'bridge',
    })
    expect(properties(stack, 'TargetGroup')).toMatchObject({ TargetType: 'instance' })
    // Which is the cluster too, once it knows its capacity provider.
    expect(service).toMatchObject({
      Cluster: '<CapacityProviders>',
      CapacityProviderStrategy: [{ CapacityProvider: '<CapacityProvider>' }],
    })
    expect(service).not.toHaveProperty('LaunchType')
    expect(service).not.toHaveProperty('NetworkConfiguration')
  },

  'the service waits for the listener, and for the way from it to the tasks': (template) => {
    const { Service: service } = template.stack(network).resources

    expect(waitsFor(service)).toEqual(expect.arrayContaining(['Listener', 'TasksFromLoadBalancer']))
  },

  'a deployment replaces tasks one for one, and is rolled back if it fails': (template) => {
    expect(properties(template.stack({ ...network, DesiredCount: '3' }), 'Service')).toMatchObject({
      DesiredCount: '3',
      DeploymentConfiguration: {
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
    })
  },

  'the balancer asks whether tasks are ready, where the program says so to anybody': async (template) => {
    const { openPaths } = await program()
    const target = properties(template.stack(network), 'TargetGroup')

    expect(target).toMatchObject({
      HealthCheckPath: '/ready',
      HealthCheckProtocol: 'HTTP',
      HealthCheckPort: 'traffic-port',
      Matcher: { HttpCode: '200' },
    })
    expect(openPaths).toContain(at(target, 'HealthCheckPath'))
  },

  'the listener speaks HTTPS where there is a certificate, and HTTP where there is none': (template) => {
    const [plain, secure] = [template.stack(network), template.stack({ ...network, ...certificate })]
    const forward = [{ Type: 'forward', TargetGroupArn: '<TargetGroup>' }]

    expect(ofType(plain, 'AWS::ElasticLoadBalancingV2::Listener')).toEqual([
      { LoadBalancerArn: '<LoadBalancer>', Port: 80, Protocol: 'HTTP', DefaultActions: forward },
    ])
    expect(ofType(secure, 'AWS::ElasticLoadBalancingV2::Listener')).toEqual([
      {
        LoadBalancerArn: '<LoadBalancer>',
        Port: 443,
        Protocol: 'HTTPS',
        Certificates: [certificate],
        SslPolicy: expect.stringMatching(/^ELBSecurityPolicy-TLS13-1-2-/),
        DefaultActions: forward,
      },
    ])
  },

  'clients reach the listener alone, from the allowed addresses': (template) => {
    for (const more of [{}, certificate]) {
      const stack = template.stack({ ...network, ...more, AllowedCidr: '192.168.0.0/16' })
      const port = at(properties(stack, 'Listener'), 'Port')

      expect(at(properties(stack, 'LoadBalancerSecurityGroup'), 'SecurityGroupIngress')).toMatchObject([
        { IpProtocol: 'tcp', FromPort: port, ToPort: port, CidrIp: '192.168.0.0/16' },
      ])
      expect(properties(stack, 'LoadBalancer')).toMatchObject({ SecurityGroups: ['<LoadBalancerSecurityGroup>'] })
    }
  },

  'nobody but the balancer reaches the tasks, and it reaches nothing else': (template) => {
    const expectReach = (stack: Stack, ports: object) => {
      const way = { IpProtocol: 'tcp', ...ports }
      expect(properties(stack, 'TaskSecurityGroup')).not.toHaveProperty('SecurityGroupIngress')
      expect(ofType(stack, 'AWS::EC2::SecurityGroupIngress')).toEqual([
        {
          Description: expect.any(String),
          GroupId: '<TaskSecurityGroup>',
          SourceSecurityGroupId: '<LoadBalancerSecurityGroup>',
          ...way,
        },
      ])
      expect(at(properties(stack, 'LoadBalancerSecurityGroup'), 'SecurityGroupEgress')).toEqual([
        { Description: expect.any(String), DestinationSecurityGroupId: '<TaskSecurityGroup>', ...way },
      ])
      expect(ofType(stack, 'AWS::EC2::SecurityGroupEgress')).toEqual([])
    }

    expectReach(template.stack(onFargate), targetPorts.Fargate)
    expectReach(template.stack(onEc2), targetPorts.Ec2)
  },

  'scaling follows CPU and requests, between the counts of the parameters': (template) => {
    const stack = template.stack({ ...network, MinCount: '3', MaxCount: '7', RequestsPerTarget: '500' })
    const policy = (metric: string, more: object) => ({
      PolicyType: 'TargetTrackingScaling',
      ScalingTargetId: '<ScalableTarget>',
      TargetTrackingScalingPolicyConfiguration: {
        PredefinedMetricSpecification: { PredefinedMetricType: metric },
        ...more,
      },
    })

    expect(properties(stack, 'ScalableTarget')).toEqual({
      ServiceNamespace: 'ecs',
      ScalableDimension: 'ecs:service:DesiredCount',
      ResourceId: 'service/<Cluster>/<Service.Name>',
      MinCapacity: '3',
      MaxCapacity: '7',
    })
    expect(properties(stack, 'ScalingOnCpu')).toMatchObject(policy('ECSServiceAverageCPUUtilization', {}))
    expect(properties(stack, 'ScalingOnRequests')).toMatchObject(
      policy('ALBRequestCountPerTarget', {
        TargetValue: '500',
        PredefinedMetricSpecification: {
          PredefinedMetricType: 'ALBRequestCountPerTarget',
          ResourceLabel: '<LoadBalancer.LoadBalancerFullName>/<TargetGroup.TargetGroupFullName>',
        },
      }),
    )
  },

  'nothing scales a service that is to have no tasks': (template) => {
    const stack = template.stack({ ...network, DesiredCount: '0', CreateTable: 'true' })

    expect(Object.keys(stack.resources).filter((name) => name.startsWith('Scal'))).toEqual([])
    expect(properties(stack, 'Service')).toMatchObject({ DesiredCount: '0' })
  },

  'the clocks agree': async (template) => {
    const stack = template.stack(network)
    const { StopTimeout: stop, Environment: variables, HealthCheck: health } = container(stack)
    const { drain, shutdownTimeout, fetchTimeout } = await readOptions(new Map(), pairs(variables))
    const balancer = pairs(at(properties(stack, 'LoadBalancer'), 'LoadBalancerAttributes'), 'Key')
    const target = properties(stack, 'TargetGroup')
    const timesHealthy = Number(at(target, 'HealthyThresholdCount')) * Number(at(target, 'HealthCheckIntervalSeconds'))

    // ECS kills what has not ended by then. Listeners that are left over have a second more.
    expect(drain).toBe(5_000)
    expect(drain + shutdownTimeout + 1_000).toBeLessThan(seconds(stop))
    // The balancer closes what idles before the program does, or it would send into a closing connection.
    expect(defaultLimits.keepAliveTimeout).toBeGreaterThan(seconds(balancer['idle_timeout.timeout_seconds']))
    // Started, ready, and found to be so.
    const ready = seconds(at(health, 'StartPeriod')) + fetchTimeout + seconds(timesHealthy)
    expect(seconds(at(properties(stack, 'Service'), 'HealthCheckGracePeriodSeconds'))).toBeGreaterThan(ready)
    // A request that is on its way when its task is taken out is answered.
    const attributes = pairs(at(target, 'TargetGroupAttributes'), 'Key')
    const deregistration = seconds(attributes['deregistration_delay.timeout_seconds'])
    expect(deregistration).toBeGreaterThanOrEqual(defaultLimits.requestTimeout)
    expect(deregistration).toBeGreaterThan(fetchTimeout)
  },
} satisfies Checks
