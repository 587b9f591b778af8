/** Checks of the service, its load balancer, its security groups and its timeouts. */
import { expect } from 'vitest'
import { defaultLimits } from '../../src/handlers/server/limits.ts'
import { at, type Stack } from '../support/project/template.ts'
import { readOptions } from '../support/service/options.ts'
import { image, program } from './program.ts'
import {
  type Checks,
  certificate,
  container,
  dependencies,
  network,
  ofType,
  onEc2,
  onFargate,
  properties,
  toRecord,
} from './stacks.ts'

/** The ports of the targets: the container port on Fargate, ephemeral host ports on instances. */
const targetPorts = { Fargate: { FromPort: image.port, ToPort: image.port }, Ec2: { FromPort: 32_768, ToPort: 65_535 } }

/** Converts seconds to milliseconds. */
const seconds = (value: unknown) => Number(value) * 1_000

export const serviceChecks = {
  'the load balancer forwards to the container by name and port': (template) => {
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

  'on Fargate, tasks have their own addresses and are the targets': (template) => {
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

  'on EC2, tasks share the address of their instance and instances are the targets': (template) => {
    const stack = template.stack(onEc2)
    const service = properties(stack, 'Service')

    expect(properties(stack, 'TaskDefinition')).toMatchObject({
      RequiresCompatibilities: ['EC2'],
      NetworkMode: 'bridge',
    })
    expect(properties(stack, 'TargetGroup')).toMatchObject({ TargetType: 'instance' })
    // A reference to the association returns the cluster, and waits for the capacity provider.
    expect(service).toMatchObject({
      Cluster: '<CapacityProviders>',
      CapacityProviderStrategy: [{ CapacityProvider: '<CapacityProvider>' }],
    })
    expect(service).not.toHaveProperty('LaunchType')
    expect(service).not.toHaveProperty('NetworkConfiguration')
  },

  'the service depends on the listener and on the ingress rule of the tasks': (template) => {
    const { Service: service } = template.stack(network).resources

    expect(dependencies(service)).toEqual(expect.arrayContaining(['Listener', 'TasksFromLoadBalancer']))
  },

  'a deployment keeps full capacity and rolls back on failure': (template) => {
    expect(properties(template.stack({ ...network, DesiredCount: '3' }), 'Service')).toMatchObject({
      DesiredCount: '3',
      DeploymentConfiguration: {
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
    })
  },

  'the load balancer checks readiness on a path without authentication': async (template) => {
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

  'the listener uses HTTPS with a certificate and HTTP without': (template) => {
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

  'clients reach only the listener, from the allowed addresses': (template) => {
    for (const more of [{}, certificate]) {
      const stack = template.stack({ ...network, ...more, AllowedCidr: '192.168.0.0/16' })
      const port = at(properties(stack, 'Listener'), 'Port')

      expect(at(properties(stack, 'LoadBalancerSecurityGroup'), 'SecurityGroupIngress')).toMatchObject([
        { IpProtocol: 'tcp', FromPort: port, ToPort: port, CidrIp: '192.168.0.0/16' },
      ])
      expect(properties(stack, 'LoadBalancer')).toMatchObject({ SecurityGroups: ['<LoadBalancerSecurityGroup>'] })
    }
  },

  'only the load balancer reaches the tasks, and it reaches nothing else': (template) => {
    const expectPorts = (stack: Stack, ports: object) => {
      const rule = { IpProtocol: 'tcp', ...ports }
      expect(properties(stack, 'TaskSecurityGroup')).not.toHaveProperty('SecurityGroupIngress')
      expect(ofType(stack, 'AWS::EC2::SecurityGroupIngress')).toEqual([
        {
          Description: expect.any(String),
          GroupId: '<TaskSecurityGroup>',
          SourceSecurityGroupId: '<LoadBalancerSecurityGroup>',
          ...rule,
        },
      ])
      expect(at(properties(stack, 'LoadBalancerSecurityGroup'), 'SecurityGroupEgress')).toEqual([
        { Description: expect.any(String), DestinationSecurityGroupId: '<TaskSecurityGroup>', ...rule },
      ])
      expect(ofType(stack, 'AWS::EC2::SecurityGroupEgress')).toEqual([])
    }

    expectPorts(template.stack(onFargate), targetPorts.Fargate)
    expectPorts(template.stack(onEc2), targetPorts.Ec2)
  },

  'scaling follows CPU and requests, within the limits of the parameters': (template) => {
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

  'a service without tasks is not scaled': (template) => {
    const stack = template.stack({ ...network, DesiredCount: '0', CreateTable: 'true' })

    expect(Object.keys(stack.resources).filter((name) => name.startsWith('Scal'))).toEqual([])
    expect(properties(stack, 'Service')).toMatchObject({ DesiredCount: '0' })
  },

  'the timeouts are consistent': async (template) => {
    const stack = template.stack(network)
    const { StopTimeout: stop, Environment: variables, HealthCheck: health } = container(stack)
    const { drain, shutdownTimeout, fetchTimeout } = await readOptions(new Map(), toRecord(variables))
    const loadBalancer = toRecord(at(properties(stack, 'LoadBalancer'), 'LoadBalancerAttributes'), 'Key')
    const target = properties(stack, 'TargetGroup')
    const timesHealthy = Number(at(target, 'HealthyThresholdCount')) * Number(at(target, 'HealthCheckIntervalSeconds'))

    // ECS kills the container after StopTimeout. The grace period of the shutdown adds one second.
    expect(drain).toBe(5_000)
    expect(drain + shutdownTimeout + 1_000).toBeLessThan(seconds(stop))
    // The load balancer must close idle connections first; otherwise it could send a request on a closing connection.
    expect(defaultLimits.keepAliveTimeout).toBeGreaterThan(seconds(loadBalancer['idle_timeout.timeout_seconds']))
    // The time to start, to become ready, and to pass the health checks.
    const ready = seconds(at(health, 'StartPeriod')) + fetchTimeout + seconds(timesHealthy)
    expect(seconds(at(properties(stack, 'Service'), 'HealthCheckGracePeriodSeconds'))).toBeGreaterThan(ready)
    // Requests in flight finish before a deregistered task stops.
    const attributes = toRecord(at(target, 'TargetGroupAttributes'), 'Key')
    const deregistration = seconds(attributes['deregistration_delay.timeout_seconds'])
    expect(deregistration).toBeGreaterThanOrEqual(defaultLimits.requestTimeout)
    expect(deregistration).toBeGreaterThan(fetchTimeout)
  },
} satisfies Checks
