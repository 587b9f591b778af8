/** The container, and who it may be. */
import { expect } from 'vitest'
import { defaultLimits } from '../../src/handlers/server/limits.ts'
import { definitions, everyOption } from '../../src/runtime/options/definitions.ts'
import { readOptions } from '../../src/runtime/options/load.ts'
import { at, list, type Stack } from '../support/project/template.ts'
import { image, program } from './program.ts'
import { type Checks, container, network, onEc2, onFargate, pairs, properties, tokens } from './stacks.ts'

const variablesOf = (stack: Stack) => pairs(container(stack)['Environment'])

const ownAccount = {
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'ecs-tasks.amazonaws.com' },
      Action: 'sts:AssumeRole',
      Condition: { StringEquals: { 'aws:SourceAccount': '111122223333' } },
    },
  ],
}

export const taskChecks = {
  'the container listens where the program does': (template) => {
    for (const parameters of [onFargate, onEc2]) {
      const ports = list(container(template.stack(parameters))['PortMappings'])

      // No port of the host is taken: on Fargate it is the same, and on instances it is a free one.
      expect(ports).toEqual([{ ContainerPort: image.port }])
      expect(image.port).toBe(Number(definitions.port.default))
    }
  },

  'variables are those of the program, with values that it takes': async (template) => {
    const given = { TableName: 'secrets', KeyAttribute: 'id', ValueAttribute: 'v', CodeNames: 'a, b', CacheTtl: '90s' }
    const { AWS_REGION: _, ...variables } = variablesOf(template.stack({ ...network, ...given }))
    const known = everyOption.map(({ flag }) => `SECRET_BUS_${flag.toUpperCase().replaceAll('-', '_')}`)

    expect(known).toEqual(expect.arrayContaining(Object.keys(variables)))
    expect(await readOptions(new Map(), variables)).toMatchObject({
      table: 'secrets',
      keyAttribute: 'id',
      valueAttribute: 'v',
      codeNames: ['a', 'b'],
      cacheTtl: 90_000,
      trustProxy: true,
    })
  },

  'the region is handed to the program': (template) => {
    for (const parameters of [onFargate, onEc2])
      expect(variablesOf(template.stack(parameters))).toMatchObject({ AWS_REGION: 'eu-central-1' })
  },

  'tokens come from Secrets Manager, where there are any': (template) => {
    const [without, withTokens] = [template.stack(network), template.stack({ ...network, ...tokens })]

    expect(container(without)).not.toHaveProperty('Secrets')
    expect(pairs(container(withTokens)['Secrets'], 'Name', 'ValueFrom')).toEqual({
      SECRET_BUS_AUTH_TOKEN: tokens.AuthTokenSecretArn,
    })
    expect(variablesOf(withTokens)).not.toHaveProperty('SECRET_BUS_AUTH_TOKEN')
  },

  'the container is asked for its health as the image says': (template) => {
    const command = list(at(container(template.stack(network)), 'HealthCheck', 'Command'))

    expect(command).toEqual(['CMD', ...image.healthCheck])
    expect(image.entrypoint).toContain(command.at(-2))
    expect(command.at(-1)).toBe('healthcheck')
  },

  'the container is no more than it has to be': (template) => {
    expect(container(template.stack(network))).toMatchObject({
      Essential: true,
      User: image.user,
      ReadonlyRootFilesystem: true,
      LinuxParameters: { InitProcessEnabled: true, Capabilities: { Drop: ['ALL'] } },
    })
    const { nofile } = pairs(container(template.stack(network))['Ulimits'], 'Name', 'SoftLimit')
    expect(Number(nofile)).toBeGreaterThan(defaultLimits.openConnections)
  },

  'what the container says goes to the log group, and never stops it': (template) => {
    const stack = template.stack({ ...network, LogRetentionDays: '30' })

    expect(container(stack)['LogConfiguration']).toEqual({
      LogDriver: 'awslogs',
      Options: {
        'awslogs-group': '<LogGroup>',
        'awslogs-region': 'eu-central-1',
        'awslogs-stream-prefix': expect.stringMatching(/^[\w-]+$/),
        mode: 'non-blocking',
        'max-buffer-size': expect.stringMatching(/^\d+m$/),
      },
    })
    expect(stack.resources['LogGroup']).toMatchObject({
      Type: 'AWS::Logs::LogGroup',
      DeletionPolicy: 'RetainExceptOnCreate',
      Properties: { RetentionInDays: '30' },
    })
  },

  'the task has the size and the image of the parameters': (template) => {
    const task = properties(template.stack({ ...onEc2, Cpu: '128', Memory: '300', Image: 'a/b:1' }), 'TaskDefinition')

    expect(task).toMatchObject({ Cpu: '128', Memory: '300', ContainerDefinitions: [{ Image: 'a/b:1' }] })
  },

  'ECS may start tasks, and read the tokens, and nothing else': (template) => {
    const stack = template.stack({ ...network, ...tokens })
    const managed = ['arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy']
    const statement = { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: tokens.AuthTokenSecretArn }

    expect(properties(stack, 'TaskDefinition')).toMatchObject({ ExecutionRoleArn: '<ExecutionRole.Arn>' })
    expect(properties(stack, 'ExecutionRole')).toEqual({
      AssumeRolePolicyDocument: ownAccount,
      ManagedPolicyArns: managed,
      Policies: [{ PolicyName: expect.any(String), PolicyDocument: { Version: '2012-10-17', Statement: [statement] } }],
    })
    expect(properties(template.stack(network), 'ExecutionRole')).toEqual({
      AssumeRolePolicyDocument: ownAccount,
      ManagedPolicyArns: managed,
    })
  },

  'the program may do what it does, with those items and attributes alone': async (template) => {
    const names = { TableName: 'secrets', KeyAttribute: 'id', ValueAttribute: 'v', CodeNames: 'a, b' }
    const stack = template.stack({ ...network, ...names })
    const [action, ...others] = (await program()).actions

    expect(others).toEqual([])
    expect(properties(stack, 'TaskDefinition')).toMatchObject({ TaskRoleArn: '<TaskRole.Arn>' })
    // Whatever else a role can have, this one has not.
    expect(properties(stack, 'TaskRole')).toEqual({
      AssumeRolePolicyDocument: ownAccount,
      Policies: [
        {
          PolicyName: expect.any(String),
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              {
                Effect: 'Allow',
                Action: action,
                Resource: 'arn:aws:dynamodb:eu-central-1:111122223333:table/secrets',
                Condition: {
                  'ForAllValues:StringEquals': {
                    'dynamodb:LeadingKeys': ['a', 'b'],
                    'dynamodb:Attributes': ['id', 'v'],
                  },
                  StringEqualsIfExists: { 'dynamodb:Select': 'SPECIFIC_ATTRIBUTES' },
                },
              },
            ],
          },
        },
      ],
    })
  },

  'the attributes that the program names, the key among them, are those that it may read': async (template) => {
    const { attributes } = await program()
    const [policy] = list(at(properties(template.stack(network), 'TaskRole'), 'Policies'))
    const condition = at(policy, 'PolicyDocument', 'Statement', 0, 'Condition', 'ForAllValues:StringEquals')

    expect(attributes.length).toBeGreaterThan(1)
    expect([...list(at(condition, 'dynamodb:Attributes'))].sort()).toEqual([...attributes].sort())
  },
} satisfies Checks
