import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { everyOption, readCommandLine } from '../../support/service/options.ts'

const read = async (...args: string[]) => Object.fromEntries((await readCommandLine(args, '1.2.3')).written)

const options = everyOption

describe('the command line', () => {
  test('has no values without arguments', async () => {
    expect(await read()).toEqual({})
  })

  test('keeps values as text', async () => {
    expect(await read('--port', '8080', '--host=::1', '--cache-ttl', '10m')).toEqual({
      port: ['8080'],
      host: ['::1'],
      'cache-ttl': ['10m'],
    })
  })

  test.each(['007', '1e5', '0x10', 'true', 'null', '-', '-1', 'a=b', 'a,b', ' a ', '"a"', "'a'", '[1]', 'ключ', ''])(
    'does not change the value %j',
    async (text) => {
      expect(await read(`--code-name=${text}`)).toEqual({ 'code-name': [text] })
    },
  )

  test('collects the values of a repeated flag in order', async () => {
    expect(await read('--code-name', 'rose', '--port', '1', '--code-name=martha', '--port', '2')).toEqual({
      'code-name': ['rose', 'martha'],
      port: ['1', '2'],
    })
  })

  test('reads flags alone as it does together with the command, which yargs parses', async () => {
    const flag = fc.constantFrom(...options.filter(({ variableOnly }) => !variableOnly).map(({ flag }) => `--${flag}`))
    const text = fc.oneof(fc.string(), fc.constantFrom('true', 'false', '-', '--', '--port', '"a"', 'a=b'))
    const argument = fc.oneof(
      flag.map((name) => [name]),
      fc.tuple(flag, text).map(([name, value]) => [`${name}=${value}`]),
      fc.tuple(flag, text).map(([name, value]) => [name, value]),
    )
    const outcome = async (args: string[]) => {
      try {
        return await read(...args)
      } catch (error) {
        return { error }
      }
    }
    await fc.assert(
      fc.asyncProperty(fc.array(argument, { maxLength: 4 }), async (given) => {
        const alone = await outcome(given.flat())
        if (!('error' in alone)) expect(alone).toEqual(await outcome(['serve', ...given.flat()]))
      }),
    )
  })

  test('treats a flag without a value as true', async () => {
    expect(await read('--embedded', '--trust-proxy=false', '--consistent-read', 'true')).toEqual({
      embedded: ['true'],
      'trust-proxy': ['false'],
      'consistent-read': ['true'],
    })
  })

  test.each(['true', 'false', '1', '0'])('accepts %s after a flag as its value', async (value) => {
    const { command, written } = await readCommandLine(['--inspector', value, 'channels'], '1.2.3')

    expect(command).toBe('channels')
    expect(Object.fromEntries(written)).toEqual({ inspector: [value] })
  })

  test('collects every occurrence of a flag without a value', async () => {
    expect(await read('--embedded', '--embedded')).toEqual({ embedded: ['true', 'true'] })
  })

  test('accepts options after the command', async () => {
    expect(await read('serve', '--port', '1')).toEqual({ port: ['1'] })
  })

  test.each(options.map(({ flag }) => flag))('accepts --%s', async (flag) => {
    expect(await read(`--${flag}=x`)).toEqual({ [flag]: ['x'] })
  })

  test.each([
    [[], 'serve', 'table'],
    [['serve'], 'serve', 'table'],
    [['healthcheck', '--port', '1'], 'healthcheck', 'table'],
    [['channels'], 'channels', 'table'],
    [['channels', '--format', 'mermaid'], 'channels', 'mermaid'],
  ])('parses %j as the command %s with the format %s', async (args, command, format) => {
    expect(await readCommandLine(args, '1.2.3')).toMatchObject({ command, format })
  })

  test('does not take a command after a flag for the value of the flag', async () => {
    const { command, written } = await readCommandLine(['--embedded', 'false', '--inspector', 'channels'], '1.2.3')

    expect(command).toBe('channels')
    expect(Object.fromEntries(written)).toEqual({ embedded: ['false'], inspector: ['true'] })
  })

  test('accepts channel names', async () => {
    expect(await readCommandLine(['channels', 'secret.*', '--format', 'json', 'b'], '1.2.3')).toMatchObject({
      format: 'json',
      args: ['secret.*', 'b'],
    })
    expect(await readCommandLine(['channels'], '1.2.3')).toMatchObject({ args: [] })
  })

  test('accepts --config', async () => {
    expect(await read('--config', 'options.json')).toEqual({ config: ['options.json'] })
  })
})

describe('an invalid command line', () => {
  const failure = async (...args: string[]): Promise<Error> => {
    try {
      await read(...args)
    } catch (error) {
      if (error instanceof Error) return error
    }
    throw new Error('the command line was accepted')
  }

  test.each([
    ['an unknown flag', ['--prot', '80'], 'Unknown argument: prot; did you mean --port?'],
    ['several unknown flags', ['--prot', '80', '--foo'], 'Unknown arguments: prot, foo; did you mean --port?'],
    ['a flag in camel case', ['--cacheTtl', '1s'], 'Unknown argument: cacheTtl; did you mean --cache-ttl?'],
    ['a negated flag', ['--no-embedded'], 'Unknown argument: no-embedded'],
    ['an unknown letter', ['-p', '80'], 'Unknown argument: p'],
    ['a property of Object.prototype', ['--constructor', 'x'], 'Unknown argument: constructor'],
    ['an unknown command', ['sever'], 'Unknown argument: sever; did you mean serve?'],
    ['a second command', ['serve', 'channels'], 'Unknown argument: channels'],
    ['an argument after --', ['--', 'sever'], 'Unknown argument: sever; did you mean serve?'],
    ['a second value', ['--code-name', 'rose', 'martha'], 'Unknown argument: martha'],
    ['a missing value', ['--port'], '--port requires a value'],
    ['a missing value before another flag', ['--port', '--embedded'], '--port requires a value'],
    ['a missing value of --config', ['--config'], '--config requires a value'],
  ])('is rejected for %s', async (_what, args, message) => {
    const error = await failure(...args)

    expect(error).toBeInstanceOf(UsageError)
    expect(error).toMatchObject({ exitCode: 64, message })
  })

  test.each([[['a\nb']], [['--a\nb=1']], [['serve', '--port', '1', 'a\nb', 'c']]])(
    'is reported in one line: %j',
    async (args) => {
      const { message } = await failure(...args)

      expect(message.split('\n')).toHaveLength(1)
    },
  )
})

describe('the process', () => {
  const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))

  const run = (...args: string[]) =>
    promisify(execFile)(process.execPath, [main, ...args], { env: { PATH: process.env['PATH'], COLUMNS: '200' } })

  /** The heading of each flag in the help. */
  function headingsOf(help: string): Map<string, string> {
    let heading = ''
    const headings = new Map<string, string>()
    for (const line of help.split('\n')) {
      if (/^\S/.test(line)) heading = line.replace(/:$/, '')
      const flag = /^ +(?:-\w, +)?--([\w-]+)/.exec(line)?.[1]
      if (flag) headings.set(flag, heading)
    }
    return headings
  }

  test('prints help that fits into 80 columns, and exits with 0', async () => {
    const { stdout, stderr } = await run('--help')

    expect(stderr).toBe('')
    expect(stdout).toMatch(/^secret-bus /)
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
  })

  test('lists every option under its group in the help', async () => {
    const { stdout } = await run('--help')

    expect(Object.fromEntries(headingsOf(stdout))).toEqual({
      ...Object.fromEntries(options.map(({ flag, group }) => [flag, group])),
      config: 'Process',
      help: 'Options',
      version: 'Options',
    })
  })

  test('shows the text and the default of every option in the help', async () => {
    const help = (await run('--help')).stdout.replace(/\s+/g, ' ')

    const shown = options.filter(({ default: byDefault }) => byDefault !== undefined && byDefault !== 'false')
    expect(shown.filter((option) => !help.includes(`[default: ${option.default}]`))).toEqual([])
    expect(options.filter(({ describe }) => !help.includes(describe))).toEqual([])
  })

  test('prints the same help for -h', async () => {
    expect((await run('-h')).stdout).toBe((await run('--help')).stdout)
  })

  test('prints the version of the package, and exits with 0', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))

    expect(await run('--version')).toMatchObject({ stdout: `${version}\n`, stderr: '' })
  })

  test('prints a completion script, and exits with 0', async () => {
    const { stdout, stderr } = await run('completion')

    expect(stderr).toBe('')
    expect(stdout).toContain('complete ')
    expect(stdout).toContain('secret-bus --get-yargs-completions')
  })

  test('completes the flags for the completion script', async () => {
    const { stdout } = await run('--get-yargs-completions', 'secret-bus', '--')

    expect(stdout.split('\n')).toEqual(expect.arrayContaining(options.map(({ flag }) => `--${flag}`)))
  })
})
