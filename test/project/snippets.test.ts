/** Checks that the documents match the program: every code block runs here or is known to run elsewhere. */
import { execFile, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { listen } from '../support/http/listen.ts'
import {
  announcedIn,
  commandsIn,
  isShownBy,
  needsDocker,
  type RunningCommand,
  runCommand,
  type Snippet,
  snippetsIn,
  writeFiles,
} from '../support/project/snippets.ts'
import { assembleService } from '../support/service/assemble-service.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const shareSources = new URL('../support/project/share-sources.ts', import.meta.url).href
/** Documents for readers that have only the published package, and work in an empty folder. */
const guides = ['BUILD-A-SERVICE', 'WRITE-A-PLUGIN'].map((name) => `docs/${name}.md`)
const documents = [
  ...['README', 'REFERENCE', 'BUS', 'ARCHITECTURE', 'SUMMARY', 'TROUBLE', 'INSTRUCTIONS'].map(
    (name) => `docs/${name}.md`,
  ),
  ...guides,
]
const architecture = 'docs/ARCHITECTURE.md'
const all = documents.flatMap((document) => snippetsIn(document, read(document)))
const named = (snippets: readonly Snippet[]) =>
  snippets.map((snippet) => [`${snippet.document}:${snippet.line}`, snippet] as const)

/** The languages that this file checks. */
const languages = ['ts', 'js', 'json', 'yaml', 'sh', 'shown', 'mermaid']

/** Commands that cannot run within a test, with the file that runs them and the text that proves it. */
const elsewhere: Readonly<Record<string, readonly [file: string, text: string]>> = {
  'npm ci': ['.ci/run', '\nnpm ci\n'],
  'npm run check': ['.ci/run', '\nnpm run check\n'],
  'npm test': ['.ci/run', '\nnpm test '],
  'npm run test:system': ['.ci/run', '\nnpm run test:system '],
  'npm run build': ['package.json', '"pack:all": "npm run --silent build'], // test/system/package.test.ts packs the packages
  'npx secret-bus new orders': ['test/system/new-service.test.ts', "['new', 'orders']"],
  'cd orders && npm install && npm run demo': ['test/system/new-service.test.ts', "'install'"],
  'npm install secret-bus': ['test/system/package.test.ts', "'install', '--offline'"], // with the tarballs
  'npm install --save-dev typescript @types/node@24 node@24': ['package.json', '"node": "24.'],
  'npm install secret-bus dynalite node@24': ['test/system/package.test.ts', "'install', '--offline'"],
  'npm install @secret-bus/bus': ['test/system/package.test.ts', "'install', '--offline'"], // with the tarball
  'AWS_PROFILE=mine npm start -- --region eu-central-1': ['test/system/bundle.test.ts', 'dist/main.js'],
  'npm run rename -- order-book': ['test/system/rename.test.ts', "'run', 'rename', '--', 'order-book'"],
  'cp .env.example .env': ['test/system/compose.test.ts', "'cp', ['.env.example', '.env']"],
}

describe.for(documents)('%s', (document) => {
  const text = read(document)
  const snippets = all.filter((snippet) => snippet.document === document)

  test('contains only blocks that are recognized, in known languages', () => {
    expect(text.match(/^\s*(```|~~~)/gm) ?? []).toHaveLength(2 * snippets.length)
    for (const [name, { language, file }] of named(snippets)) {
      expect(languages, name).toContain(language)
      // Blocks in these languages are only checked as files.
      if (['js', 'json', 'yaml'].includes(language)) expect(file, name).toBeDefined()
      // The folder for commands contains links to the project, and writing must not follow them.
      if (file !== undefined && !guides.includes(document)) expect(isNew(file), name).toBe(true)
    }
  })

  test('links to existing files and headings', () => {
    for (const [link, path = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)) {
      const file = path === '' ? document : join(dirname(document), path)
      expect(existsSync(join(root, file)), link).toBe(true)
      if (anchor) expect(anchorsIn(read(file)), link).toContain(anchor)
    }
  })
})

/** Whether neither the file nor its folder below `examples` exists in the project. */
function isNew(file: string): boolean {
  const [top = '', ...below] = file.split('/')
  return below.length === 0
    ? !existsSync(join(root, file))
    : top === 'examples' && !existsSync(join(root, dirname(file)))
}

/** The anchors of the headings, as GitHub creates them. */
function anchorsIn(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading.toLowerCase())
  return headings.map((heading) => heading.replaceAll(/[^\w\- ]/g, '').replaceAll(' ', '-'))
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

describe('a block of TypeScript', () => {
  const blocks = all.filter(({ language }) => language === 'ts')
  let folder = ''
  const pathOf = ({ document, line, file }: Snippet) =>
    join(folder, document.replaceAll(/\W/g, '-'), file ?? `line-${line}.ts`)

  beforeAll(() => {
    folder = mkdtempSync(join(root, 'test/.snippets-'))
    // Includes JavaScript, which the TypeScript blocks import.
    for (const block of all) if (['ts', 'js'].includes(block.language)) write(pathOf(block), block.code)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('compiles with the strict options of the project', async () => {
    const config = { extends: '../../tsconfig.json', files: blocks.map(pathOf), include: ['../../src/**/*.d.ts'] }
    write(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const compiler = join(root, 'node_modules/typescript/bin/tsc')

    const checked = promisify(execFile)(process.execPath, [compiler, '-p', folder])

    expect((await checked.catch((error) => error)).stdout).toBe('')
  })

  test.for(named(blocks.filter(({ file }) => file === undefined)))(
    'prints the documented output: %s',
    async ([, block]) => {
      const printed: string[] = []
      const print = (text: string) => printed.push(...text.trimEnd().split('\n')) > 0
      const log = vi.spyOn(console, 'log').mockImplementation((...words) => void print(format(...words)))
      const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => print(String(text)))
      onTestFinished(() => {
        log.mockRestore()
        stderr.mockRestore()
      })

      await import(pathOf(block))

      expect(printed).toEqual(announcedIn(block.code))
    },
  )
})

/** Programs that the commands use but that may not be installed. */
const missing = ['curl', 'jq'].filter((tool) => spawnSync(tool, ['--version']).error)

const commands = all.filter((block) => block.language === 'sh' && !needsDocker(block))

describe.for([...new Set(commands.map(({ document }) => document))])('a command in %s', (document) => {
  const blocks = all.filter((block) => block.document === document)
  let folder = ''
  let port = ''
  const services: RunningCommand[] = []
  const stop = () => Promise.all(services.map((service) => service.stop()))

  // The folder contains links to the project, and the files that the document asks the reader to write. That of a guide
  // contains only the programs that the reader installs.
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'secret-bus-'))
    if (guides.includes(document)) {
      linkPrograms(folder)
      writeFiles(folder, blocks)
    } else {
      link('.', folder, ['examples'])
      link('examples', folder)
      if (blocks.every(({ file }) => file === undefined || isNew(file))) writeFiles(folder, blocks)
    }
    const { endpoint, close } = await listen(createServer())
    port = new URL(endpoint).port
    await close()
  })
  afterAll(async () => {
    await stop()
    rmSync(folder, { recursive: true })
  })

  test.for(named(commands.filter((block) => blocks.includes(block))))(
    'prints the documented output: %s',
    { timeout: 60_000 },
    async ([, block], { signal, skip }) => {
      const env = environment(port)
      for (const tool of missing) if (block.code.includes(tool)) skip(`${tool} is not installed`)
      if (block.above.includes('Ctrl-C')) await stop()
      for (const { command, shown } of commandsIn(block, blocks)) {
        const [file, text] = elsewhere[command] ?? []
        if (file !== undefined) {
          expect(read(file), command).toContain(text)
          continue
        }

        const ran = await runCommand(command.replaceAll('5000', port), { cwd: folder, env, signal })

        if (ran.code === undefined) services.push(ran)
        else expect(ran.code, `${command}\n${ran.printed.join('\n')}`).toBe(0)
        const printed = ran.printed.map((line) => line.replaceAll(port, '5000').replaceAll(`${folder}/`, ''))
        if (shown.length > 0 && !isShownBy(shown, printed)) expect(printed, command).toEqual(shown)
      }
    },
  )
})

/** Creates links in the folder to everything in a folder of the project. Tests must not write to them. */
function link(from: string, folder: string, except: readonly string[] = []): void {
  mkdirSync(join(folder, from), { recursive: true })
  for (const name of readdirSync(join(root, from)).filter((name) => !name.startsWith('.') && !except.includes(name)))
    symlinkSync(join(root, from, name), join(folder, from, name))
}

/** Creates links to the programs of `secret-bus` and `node`, as if the packages were installed. */
function linkPrograms(folder: string): void {
  const programs = join(folder, 'node_modules/.bin')
  mkdirSync(programs, { recursive: true })
  symlinkSync(join(root, 'node_modules/.bin/node'), join(programs, 'node'))
  const run = `#!/bin/sh\nexec node '${join(root, 'src/main.ts')}' "$@"\n`
  writeFileSync(join(programs, 'secret-bus'), run, { mode: 0o755 })
}

/** The variables of a terminal, those that prevent access to AWS, and one that makes imports resolve to the sources. */
function environment(port: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => /^(PATH|HOME|AWS_)/.test(name))
  const terminal = { NO_COLOR: '1', NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/secret-bus') }
  const options = {
    SECRET_BUS_PORT: port,
    SECRET_BUS_LOG_FORMAT: 'pretty',
    ORDERS_PORT: port,
    ORDERS_LOG_FORMAT: 'pretty',
  }
  return { ...Object.fromEntries(kept), ...terminal, ...options, NODE_OPTIONS: `--import=${shareSources}` }
}

test('every command that runs elsewhere occurs in a document', () => {
  const documented = commands.flatMap((block) => commandsIn(block, all).map(({ command }) => command))

  expect(documented).toEqual(expect.arrayContaining(Object.keys(elsewhere)))
})

test('commands that require Docker run in the system tests', () => {
  const documents = [...new Set(all.filter(needsDocker).map(({ document }) => document))]
  const runner = read('test/system/documents.test.ts')

  for (const document of documents) expect(runner).toContain(`'${document}'`)
  expect(runner).toContain('blocks.filter(needsDocker)')
})

describe('the diagram of a request', () => {
  const [diagram, ...others] = all.filter(({ language }) => language === 'mermaid')
  const [head, ...lines] = diagram?.code.trimEnd().split('\n') ?? []
  const participants = lines.flatMap((line) => {
    const [, id, name = id] = /^ {2}participant (\w+)(?: as (.+))?$/.exec(line) ?? []
    return id === undefined ? [] : [[id, name] as const]
  })
  const messages = lines.flatMap((line) => {
    const [, from = '', to = '', text] = /^ {2}(\w+)--?>>(\w+): (.+)$/.exec(line) ?? []
    return text === undefined ? [] : [{ from, to, text }]
  })

  test('is the only diagram, and consists of participants and messages between them', () => {
    expect(others).toEqual([])
    expect(head).toBe('sequenceDiagram')
    expect(participants.length + messages.length).toBe(lines.length)
    const ids = participants.map(([id]) => id)
    for (const { from, to } of messages) expect(ids).toEqual(expect.arrayContaining([from, to]))
  })

  test('matches the topology of the bus', async () => {
    const { bus } = await assembleService({ region: 'eu-central-1' }, { SECRET_BUS_AUTH_TOKEN: 'token' })
    const topology = bus.topology()
    const names = new Map(participants)
    const subscribers = new Set(
      topology.flatMap(({ usedBy, handlers }) => [...usedBy, ...handlers.map(({ name }) => name)]),
    )
    const channels = messages.filter(({ text }) => /^\w+\.\w+$/.test(text))

    expect([...names.values()].filter((name) => !subscribers.has(name ?? ''))).toEqual(['HTTP client', 'DynamoDB'])
    expect(channels.length).toBeGreaterThan(3)
    for (const { from, to, text } of channels) {
      const info = topology.find(({ channel }) => channel === text)
      expect(info?.usedBy, text).toContain(names.get(from))
      expect(
        info?.handlers.map(({ name }) => name),
        text,
      ).toContain(names.get(to))
    }
  })
})

test('the table of imports matches imports.test.ts', async () => {
  const folder = mkdtempSync(join(root, 'test/.snippets-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [declarations] = /^const bus = .*?^const allowed.*?^\]$/ms.exec(read('test/project/imports.test.ts')) ?? []
  write(join(folder, 'allowed.ts'), `${declarations}\nexport { allowed }\n`)
  const { allowed }: { allowed: [files: string, imports: string[]][] } = await import(join(folder, 'allowed.ts'))

  const [, table = ''] = /^\| files \|.*\n(?:\|-.*\n)((?:\|.*\n)+)/m.exec(read(architecture)) ?? []
  const rows = table
    .trimEnd()
    .split('\n')
    .map((row) => row.split('|').map((cell) => cell.trim()))

  expect(rows.length).toBeGreaterThan(5)
  for (const [, files = '', imports = ''] of rows) {
    const [, patterns = []] = allowed.find(([pattern]) => files === `\`${pattern}\``) ?? []
    expect(imports, files).toBe(patterns.map((name) => `\`${name}\``).join(', '))
  }
})
