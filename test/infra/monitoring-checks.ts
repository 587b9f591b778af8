/** Checks of the alarms, the metric filters and the dashboard. */
import { expect } from 'vitest'
import { at, list, mapping } from '../support/project/template.ts'
import { matchesPattern } from './filter-pattern.ts'
import { outageLog } from './outage.ts'
import { type Checks, everyCombination, network, ofType, onEc2, onFargate, properties } from './stacks.ts'

const loadBalancer = { Name: 'LoadBalancer', Value: '<LoadBalancer.LoadBalancerFullName>' }
const target = { Name: 'TargetGroup', Value: '<TargetGroup.TargetGroupFullName>' }

/** The namespace of the metrics of the log. */
const ofLog = 'secret-bus/a-stack'

export const monitoringChecks = {
  'alarms cover errors, unready tasks, throttling, failed refreshes and stale replies': (template) => {
    const stack = template.stack({ ...network, TableName: 'secrets' })
    const expected = [
      ['AWS/ApplicationELB', 'HTTPCode_Target_5XX_Count', [loadBalancer, target]],
      ['AWS/ApplicationELB', 'HTTPCode_ELB_5XX_Count', [loadBalancer]],
      ['AWS/ApplicationELB', 'UnHealthyHostCount', [loadBalancer, target]],
      ['AWS/DynamoDB', 'ReadThrottleEvents', [{ Name: 'TableName', Value: 'secrets' }]],
      [ofLog, 'FailedRefreshes', undefined],
      [ofLog, 'StaleReplies', undefined],
    ]

    const alarms = ofType(stack, 'AWS::CloudWatch::Alarm')
    const watched = alarms.map(({ Namespace, MetricName, Dimensions }) => [Namespace, MetricName, Dimensions])
    expect(watched).toEqual(expected)
    for (const alarm of alarms)
      expect(alarm).toMatchObject({
        ComparisonOperator: 'GreaterThanThreshold',
        TreatMissingData: 'notBreaching', // without requests there are no errors
        AlarmActions: ['<AlarmTopic>'],
      })
  },

  'an alarm for failed refreshes lasts 15 minutes, because an outage is logged once': (template) => {
    expect(properties(template.stack(network), 'FailedRefreshes')).toMatchObject({
      Statistic: 'Sum',
      Threshold: 0,
      Period: 300,
      EvaluationPeriods: 3,
      DatapointsToAlarm: 1,
    })
  },

  'the metric filters count failed refreshes and stale replies in the log of a service, and nothing else': async (
    template,
  ) => {
    const filters = ofType(template.stack(network), 'AWS::Logs::MetricFilter')
    const log = await outageLog()
    const counted = filters.map(({ LogGroupName, FilterPattern, MetricTransformations }) => {
      const [metric, ...others] = list(MetricTransformations)
      expect([LogGroupName, others]).toEqual(['<LogGroup>', []])
      expect(metric).toMatchObject({ MetricNamespace: ofLog, MetricValue: '1', DefaultValue: 0 })
      return [at(metric, 'MetricName'), log.filter((line) => matchesPattern(String(FilterPattern), line))]
    })

    const lines = log.map((text) => ({ text, fields: JSON.parse(text) }))
    const where = (condition: (fields: { level: string; msg: string; cache?: string }) => boolean) =>
      lines.filter(({ fields }) => condition(fields)).map(({ text }) => text)
    const failed = where(({ level, msg }) => level === 'warn' && msg.startsWith('Failed to fetch secret '))
    const stale = where(({ cache }) => /; ttl=-\d+$/.test(cache ?? ''))
    expect(failed.length).toBeGreaterThan(0)
    expect(stale.length).toBeGreaterThan(0)
    expect(counted).toEqual([
      ['FailedRefreshes', failed],
      ['StaleReplies', stale],
    ])
  },

  'the dashboard shows the load balancer, the tasks, the table and the log': (template) => {
    for (const parameters of [onFargate, onEc2]) {
      const dashboard = properties(template.stack({ ...parameters, TableName: 'secrets' }), 'Dashboard')
      const { widgets } = JSON.parse(String(dashboard?.['DashboardBody']))
      const shown = list(widgets).map((widget) => mapping(at(widget, 'properties')))
      const metrics = shown.flatMap(({ metrics = [] }) => list(metrics)).map((metric) => list(metric).slice(0, 6))
      const [balancer, task] = [
        ['TargetGroup', target.Value, 'LoadBalancer', loadBalancer.Value],
        ['ClusterName', '<Cluster>', 'ServiceName', '<Service.Name>'],
      ]
      const expected = [
        ...['2XX', '4XX', '5XX'].map((status) => [
          'AWS/ApplicationELB',
          `HTTPCode_Target_${status}_Count`,
          ...balancer,
        ]),
        ['AWS/ApplicationELB', 'HTTPCode_ELB_5XX_Count', 'LoadBalancer', loadBalancer.Value],
        ['AWS/ApplicationELB', 'TargetResponseTime', ...balancer],
        ['AWS/ApplicationELB', 'TargetResponseTime', ...balancer],
        ['AWS/ApplicationELB', 'HealthyHostCount', ...balancer],
        ['AWS/ApplicationELB', 'UnHealthyHostCount', ...balancer],
        [ofLog, 'FailedRefreshes'],
        [ofLog, 'StaleReplies'],
        ['AWS/DynamoDB', 'ReadThrottleEvents', 'TableName', 'secrets'],
        ['AWS/ECS', 'CPUUtilization', ...task],
        ['AWS/ECS', 'MemoryUtilization', ...task],
      ]

      expect(metrics).toEqual(expected)
      for (const { region, title } of shown) expect([region, typeof title]).toEqual(['eu-central-1', 'string'])
      expect(shown.at(-1)?.['query']).toMatch(/^SOURCE '<LogGroup>' \| /)
    }
  },

  'the widgets of the dashboard do not overlap': (template) => {
    const [parameters = {}] = everyCombination
    const dashboard = properties(template.stack(parameters), 'Dashboard')
    const { widgets } = JSON.parse(String(dashboard?.['DashboardBody']))
    const cells = list(widgets).flatMap((widget) => {
      const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) => Number(at(widget, name)))
      return Array.from({ length: (width ?? 0) * (height ?? 0) }, (_, cell) => {
        const column = (x ?? 0) + (cell % (width ?? 1))
        expect(column).toBeLessThan(24)
        return `${column} ${(y ?? 0) + Math.floor(cell / (width ?? 1))}`
      })
    })

    expect(cells).toHaveLength(new Set(cells).size)
  },
} satisfies Checks
