/** The fenced blocks of a document, and what they say that comes of them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Snippet {
  readonly document: string
  /** The line of the document on which the block begins. */
  readonly line: number
  /** `shown`, where it has none: what the commands of the block before print. */
  readonly language: string
  readonly code: string
  /** The text between the block before and this one. */
  readonly above: string
  /** The file that the block is, where the line above it ends with its name: "... `greeting.mjs`:". */
  readonly file: string | undefined
}

export function snippetsIn(document: string, text: string): Snippet[] {
  let end = 0
  return [...text.matchAll(/^```(\S*)\n(.*?)^```$/gms)].map(({ 0: block, 1: language, 2: code = '', index }) => {
    const above = text.slice(end, index)
    end = index + block.length
    const [, file] = /`([\w./-]+\.\w+)`:\n+$/.exec(above) ?? []
    const line = text.slice(0, index).split('\n').length
    return { document, line, language: language || 'shown', code, above, file }
  })
}

/** Writes the files that the blocks are, as a reader would. */
export function writeFiles(folder: string, snippets: readonly Snippet[]): void {
  for (const { file, code } of snippets) {
    if (file === undefined) continue
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), code, { flag: 'wx' }) // none that is there already
  }
}

/** What TypeScript is to print: the comment after `console.log(...)`, and lines of comment such as `// prints hello`. */
export function announcedIn(code: string): string[] {
  return code.split('\n').flatMap((line) => {
    const [, told] = /console\.log\(.*\) \/\/ (.*)$/.exec(line) ?? /^\s*\/\/ prints (.*)$/.exec(line) ?? []
    return told === undefined ? [] : [told]
  })
}

/** Whether it takes a Docker engine to run the block. */
export function needsDocker({ language, code }: Snippet): boolean {
  return language === 'sh' && /^docker/m.test(code)
}

export interface Command {
  readonly command: string
  /** What it prints, as far as that is shown; `...` stands for anything. */
  readonly shown: readonly string[]
}

/**
 * The commands of a block for the shell. What one prints is shown in comments below it; what the last one prints may also
 * be the next block, if that has no language.
 */
export function commandsIn(block: Snippet, blocks: readonly Snippet[]): Command[] {
  const commands: { command: string; shown: string[] }[] = []
  for (const line of linesOf(block.code.replaceAll(/\\\n */g, ''))) {
    if (!line.startsWith('# ')) commands.push({ command: line, shown: [] })
    else if (commands.length > 0) commands.at(-1)?.shown.push(line.slice(2))
    else throw new Error(`nothing prints what ${block.document}:${block.line} shows`)
  }
  const next = blocks[blocks.indexOf(block) + 1]
  if (next?.language === 'shown') commands.at(-1)?.shown.push(...linesOf(next.code))
  return commands
}

function linesOf(text: string): string[] {
  return text.trimEnd().split('\n')
}

/** Whether this is what was printed. `...` stands for anything within a line, and for any lines where it stands alone. */
export function isShownBy(shown: readonly string[], printed: readonly string[]): boolean {
  const escaped = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  const lineOf = (line: string) => `${line.split('...').map(escaped).join('.*')}\n`
  const pattern = shown.map((line) => (line.trim() === '...' ? '(?:.*\n)*?' : lineOf(line))).join('')
  return new RegExp(`^${pattern}$`).test(printed.map((line) => `${line}\n`).join(''))
}

export interface RunningCommand {
  readonly printed: readonly string[]
  /** What it ended with; absent for a service, which has started and stays. */
  readonly code: number | string | undefined
  /** Ends it as Ctrl-C does. */
  readonly stop: () => Promise<void>
}

/**
 * Runs a command until it ends, or says that it has started.
 * @param options.signal ends it when it aborts
 */
export async function runCommand(
  command: string,
  { signal, ...options }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<RunningCommand> {
  const child = spawn('bash', ['-c', command], { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const printed: string[] = []
  const started = Promise.withResolvers<undefined>()
  const read = (line: string) => {
    if (/^$|^> |^npm /.test(line)) return // what npm says of itself
    printed.push(line)
    if (/Bus STARTED("})?$/.test(line)) started.resolve(undefined)
  }
  createInterface({ input: child.stdout }).on('line', read)
  createInterface({ input: child.stderr }).on('line', read)
  const ended = once(child, 'close').then(([code, signal]): number | string => code ?? signal)
  // Those that it started, too.
  const interrupt = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, 'SIGINT')
  }
  const stop = async () => {
    interrupt()
    await ended
  }
  signal.addEventListener('abort', interrupt)
  return { printed, code: await Promise.race([ended, started.promise]), stop }
}
