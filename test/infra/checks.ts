/** All checks of the CloudFormation template. */
import { expect } from 'vitest'
import { infrastructureChecks } from './infrastructure-checks.ts'
import { monitoringChecks } from './monitoring-checks.ts'
import { parameterChecks } from './parameter-checks.ts'
import { serviceChecks } from './service-checks.ts'
import { type Checks, certificate, clients, onEc2, onFargate, tokens } from './stacks.ts'
import { taskChecks } from './task-checks.ts'
import { validator } from './validator.ts'

export const checks = {
  ...parameterChecks,
  ...taskChecks,
  ...serviceChecks,
  ...infrastructureChecks,
  ...monitoringChecks,
  'the AWS validator reports nothing': (template) => {
    for (const parameters of [
      onFargate,
      { ...onFargate, ...clients },
      { ...onEc2, ...certificate, ...tokens, CreateTable: 'true' },
    ])
      expect(validator.findings(template, parameters), JSON.stringify(parameters)).toEqual([])
  },
} satisfies Checks

export type CheckName = keyof typeof checks
