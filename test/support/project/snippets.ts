/** Extracts the fenced code blocks of a document, runs their commands and compares the output. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Snippet {
  readonly document: string
  /** The first line of the block in the document. */
  readonly line: number
  /** `shown` for a block without a language, which is the output of the commands in the previous block. */
  readonly language: string
  readonly code: string
  /** The text between the previous block and this one. */
  readonly above: string
  /** The file with this content, if the line above the block ends with its name: "... `greeting.mjs`:". */
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

/** Writes the blocks that have a file name to the folder. */
export function writeFiles(folder: string, snippets: readonly Snippet[]): void {
  for (const { file, code } of snippets) {
    if (file === undefined) continue
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), code, { flag: 'wx' }) // fails if the file exists
  }
}

/** The expected output of a TypeScript block: comments after `console.log(...)`, and lines like `// prints hello`. */
export function announcedIn(code: string): string[] {
  return code.split('\n').flatMap((line) => {
    const [, output] = /console\.log\(.*\) \/\/ (.*)$/.exec(line) ?? /^\s*\/\/ prints (.*)$/.exec(line) ?? []
    return output === undefined ? [] : [output]
  })
}

/** Whether the block requires a Docker engine. */
export function needsDocker({ language, code }: Snippet): boolean {
  return language === 'sh' && /^docker/m.test(code)
}

export interface Command {
  readonly command: string
  /** The documented output, possibly none; `...` matches anything. */
  readonly shown: readonly string[]
}

/**
 * The commands of a shell block. The comments below a command are its output. The output of the last command can also
 * be in the next block, if that has no language.
 */
export function commandsIn(block: Snippet, blocks: readonly Snippet[]): Command[] {
  const commands: { command: string; shown: string[] }[] = []
  for (const line of linesOf(block.code.replaceAll(/\\\n */g, ''))) {
    if (!line.startsWith('# ')) commands.push({ command: line, shown: [] })
    else if (commands.length > 0) commands.at(-1)?.shown.push(line.slice(2))
    else throw new Error(`${block.document}:${block.line} must start with a command, received a comment`)
  }
  const next = blocks[blocks.indexOf(block) + 1]
  if (next?.language === 'shown') commands.at(-1)?.shown.push(...linesOf(next.code))
  return commands
}

function linesOf(text: string): string[] {
  return text.trimEnd().split('\n')
}

/** Whether the output matches. `...` matches anything within a line, or any number of lines if it is a whole line. */
export function isShownBy(shown: readonly string[], printed: readonly string[]): boolean {
  const escaped = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  const lineOf = (line: string) => `${line.split('...').map(escaped).join('.*')}\n`
  const pattern = shown.map((line) => (line.trim() === '...' ? '(?:.*\n)*?' : lineOf(line))).join('')
  return new RegExp(`^${pattern}$`).test(printed.map((line) => `${line}\n`).join(''))
}

export interface RunningCommand {
  readonly printed: readonly string[]
  /** The exit code or signal; `undefined` for a service that is still running. */
  readonly code: number | string | undefined
  /** Sends SIGINT, as Ctrl-C does, and waits until the command ends. */
  readonly stop: () => Promise<void>
}

/**
 * Runs a command until it ends, or until it logs that the service has started.
 * @param options.signal interrupts the command when it aborts
 */
export async function runCommand(
  command: string,
  { signal, ...options }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<RunningCommand> {
  const child = spawn('bash', ['-c', command], { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const printed: string[] = []
  const started = Promise.withResolvers<undefined>()
  const read = (line: string) => {
    if (/^$|^> |^npm /.test(line)) return // output of npm itself
    printed.push(line)
    if (/Bus STARTED("})?$/.test(line)) started.resolve(undefined)
  }
  createInterface({ input: child.stdout }).on('line', read)
  createInterface({ input: child.stderr }).on('line', read)
  const ended = once(child, 'close').then(([code, signal]): number | string => code ?? signal)
  // Interrupts the whole process group.
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
