/** Checks of the task: the container and its roles. */
import { expect } from 'vitest'
import { defaultLimits } from '../../src/handlers/server/limits.ts'
import { withinOpenFiles } from '../../src/handlers/server/open-files.ts'
import { at, list, type Stack } from '../support/project/template.ts'
import { everyOption, readOptions } from '../support/service/options.ts'
import { image, program } from './program.ts'
import { type Checks, clients, container, network, onEc2, onFargate, properties, tokens, toRecord } from './stacks.ts'

const variablesOf = (stack: Stack) => toRecord(container(stack)['Environment'])

const ecsTasksOfThisAccount = {
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
  'the container exposes the port of the program': (template) => {
    for (const parameters of [onFargate, onEc2]) {
      const ports = list(container(template.stack(parameters))['PortMappings'])

      // Without a host port, Fargate uses the container port and instances use a free one.
      expect(ports).toEqual([{ ContainerPort: image.port }])
      expect(image.port).toBe(Number(everyOption.find(({ flag }) => flag === 'port')?.default))
    }
  },

  'environment variables are valid options of the program': async (template) => {
    const given = {
      TableName: 'secrets',
      KeyAttribute: 'id',
      ValueAttribute: 'v',
      CodeNames: 'a, b',
      CacheTtl: '90s',
      MaxStale: '30m',
    }
    const { AWS_REGION: _, ...variables } = variablesOf(template.stack({ ...network, ...clients, ...given }))
    const known = everyOption.map(({ flag }) => `SECRET_BUS_${flag.toUpperCase().replaceAll('-', '_')}`)

    expect(known).toEqual(expect.arrayContaining(Object.keys(variables)))
    expect(await readOptions(new Map(), variables)).toMatchObject({
      table: 'secrets',
      keyAttribute: 'id',
      valueAttribute: 'v',
      codeNames: ['a', 'b'],
      cacheTtl: 90_000,
      maxStale: 1_800_000,
      consistentRead: true,
      clientsSecret: clients.ClientsSecretCodeName,
      trustProxy: true,
    })
  },

  'the container receives the region': (template) => {
    for (const parameters of [onFargate, onEc2])
      expect(variablesOf(template.stack(parameters))).toMatchObject({ AWS_REGION: 'eu-central-1' })
  },

  'tokens, if configured, come from Secrets Manager': (template) => {
    const [without, withTokens] = [template.stack(network), template.stack({ ...network, ...tokens })]

    expect(container(without)).not.toHaveProperty('Secrets')
    expect(container(template.stack({ ...network, ...clients }))).not.toHaveProperty('Secrets')
    expect(toRecord(container(withTokens)['Secrets'], 'Name', 'ValueFrom')).toEqual({
      SECRET_BUS_AUTH_TOKEN: tokens.AuthTokenSecretArn,
    })
    expect(variablesOf(withTokens)).not.toHaveProperty('SECRET_BUS_AUTH_TOKEN')
  },

  'clients, if configured, are an item of the table': (template) => {
    const [without, withClients] = [template.stack(network), template.stack({ ...network, ...clients })]

    expect(variablesOf(without)).not.toHaveProperty('SECRET_BUS_CLIENTS_SECRET')
    expect(variablesOf(withClients)).toMatchObject({ SECRET_BUS_CLIENTS_SECRET: clients.ClientsSecretCodeName })
  },

  'the container has the health check of the image': (template) => {
    const command = list(at(container(template.stack(network)), 'HealthCheck', 'Command'))

    expect(command).toEqual(['CMD', ...image.healthCheck])
    expect(image.entrypoint).toContain(command.at(-2))
    expect(command.at(-1)).toBe('healthcheck')
  },

  'the container has minimal privileges and enough file descriptors': (template) => {
    expect(container(template.stack(network))).toMatchObject({
      Essential: true,
      User: image.user,
      ReadonlyRootFilesystem: true,
      LinuxParameters: { InitProcessEnabled: true, Capabilities: { Drop: ['ALL'] } },
    })
    const { nofile } = toRecord(container(template.stack(network))['Ulimits'], 'Name', 'SoftLimit')
    expect(withinOpenFiles(defaultLimits, Number(nofile))).toEqual(defaultLimits)
  },

  'the container logs to the log group without blocking': (template) => {
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

  'the task uses the size and the image of the parameters': (template) => {
    const task = properties(template.stack({ ...onEc2, Cpu: '128', Memory: '300', Image: 'a/b:1' }), 'TaskDefinition')

    expect(task).toMatchObject({ Cpu: '128', Memory: '300', ContainerDefinitions: [{ Image: 'a/b:1' }] })
  },

  'the execution role allows only starting tasks and reading the tokens': (template) => {
    const stack = template.stack({ ...network, ...tokens })
    const managed = ['arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy']
    const statement = { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: tokens.AuthTokenSecretArn }

    expect(properties(stack, 'TaskDefinition')).toMatchObject({ ExecutionRoleArn: '<ExecutionRole.Arn>' })
    expect(properties(stack, 'ExecutionRole')).toEqual({
      AssumeRolePolicyDocument: ecsTasksOfThisAccount,
      ManagedPolicyArns: managed,
      Policies: [{ PolicyName: expect.any(String), PolicyDocument: { Version: '2012-10-17', Statement: [statement] } }],
    })
    for (const parameters of [network, { ...network, ...clients }])
      expect(properties(template.stack(parameters), 'ExecutionRole')).toEqual({
        AssumeRolePolicyDocument: ecsTasksOfThisAccount,
        ManagedPolicyArns: managed,
      })
  },

  'the task role allows only the calls that the program makes, limited to its items and attributes': async (
    template,
  ) => {
    const names = { TableName: 'secrets', KeyAttribute: 'id', ValueAttribute: 'v', CodeNames: 'a, b' }
    const stack = template.stack({ ...network, ...names })
    const [action, ...others] = (await program()).actions

    expect(others).toEqual([])
    expect(properties(stack, 'TaskDefinition')).toMatchObject({ TaskRoleArn: '<TaskRole.Arn>' })
    // `toEqual` also excludes managed policies and other properties of a role.
    expect(properties(stack, 'TaskRole')).toEqual({
      AssumeRolePolicyDocument: ecsTasksOfThisAccount,
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

  'the task role allows reading the document of clients': (template) => {
    const keysFor = (parameters: object) => {
      const stack = template.stack({ ...network, CodeNames: 'a, b c', ...parameters })
      const [policy] = list(at(properties(stack, 'TaskRole'), 'Policies'))
      const condition = at(policy, 'PolicyDocument', 'Statement', 0, 'Condition', 'ForAllValues:StringEquals')
      return at(condition, 'dynamodb:LeadingKeys')
    }

    expect(keysFor(clients)).toEqual(['a', 'b c', clients.ClientsSecretCodeName])
    expect(keysFor({})).toEqual(['a', 'b c'])
  },

  'the task role allows exactly the attributes in the requests of the program': async (template) => {
    const { attributes } = await program()
    const [policy] = list(at(properties(template.stack(network), 'TaskRole'), 'Policies'))
    const condition = at(policy, 'PolicyDocument', 'Statement', 0, 'Condition', 'ForAllValues:StringEquals')

    expect(attributes.length).toBeGreaterThan(1)
    expect([...list(at(condition, 'dynamodb:Attributes'))].sort()).toEqual([...attributes].sort())
  },
} satisfies Checks
