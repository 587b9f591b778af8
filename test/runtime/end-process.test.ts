import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { endProcess } from '../../src/runtime/end-process.ts'

beforeEach(() => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
})

/** A process that records how it is ended. The functions do not return, like the real ones. */
function fakeProcess(pid: number, resources: string[]) {
  const ends: unknown[][] = []
  const ending =
    (how: string) =>
    (...args: unknown[]): never => {
      ends.push([how, ...args])
      vi.clearAllTimers()
      throw new Error('ended')
    }
  const process = {
    pid,
    exit: ending('exit'),
    kill: ending('kill'),
    abort: ending('abort'),
    getActiveResourcesInfo: () => resources,
  }
  const end = async (ms: number, output?: { flush: () => boolean; end: (ms: number) => void }) => {
    endProcess(process, 3, ms, output).catch(() => {}) // the process has ended
    await vi.advanceTimersByTimeAsync(0)
  }
  const advance = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms).catch(() => {}) // the process has ended
  }
  return { ends, end, advance }
}

test('a process without blocked threads ends at once, with the code', async () => {
  const { ends, end } = fakeProcess(7, ['TCPSocketWrap', 'Timeout'])
  await end(1_000)
  expect(ends).toEqual([['exit', 3]])
})

test.each(['FSReqPromise', 'FSReqCallback', 'GetAddrInfoReqWrap', 'GetNameInfoReqWrap'])(
  'a process with a pending %s ends with the code as soon as that has finished',
  async (resource) => {
    const resources = [resource]
    const { ends, end, advance } = fakeProcess(7, resources)
    await end(1_000)
    await advance(900)
    expect(ends).toEqual([])
    resources.pop()
    await advance(50)
    expect(ends).toEqual([['exit', 3]])
  },
)

test('a process with a blocked thread is killed at the deadline', async () => {
  const { ends, end, advance } = fakeProcess(7, ['FSReqPromise'])
  await end(1_000)
  await advance(999)
  expect(ends).toEqual([])
  await advance(11)
  expect(ends).toEqual([['kill', 7, 'SIGKILL']])
})

test('PID 1 with a blocked thread aborts, because the kernel ignores its SIGKILL', async () => {
  const { ends, end, advance } = fakeProcess(1, ['FSReqPromise'])
  await end(100)
  await advance(110)
  expect(ends).toEqual([['abort']])
})

test('the log is written first, within the same time', async () => {
  const output = { flush: vi.fn(() => false), end: vi.fn() }
  const { ends, end, advance } = fakeProcess(7, [])
  await end(1_000, output)
  await advance(500)
  expect(ends).toEqual([])
  output.flush.mockReturnValue(true)
  await advance(10)
  expect(ends).toEqual([['exit', 3]])
})

test('a log that is not read is abandoned at the deadline', async () => {
  const output = { flush: () => false, end: vi.fn() }
  const { ends, end, advance } = fakeProcess(7, [])
  await end(1_000, output)
  await advance(1_010)
  expect(output.end).toHaveBeenCalledExactlyOnceWith(0)
  expect(ends).toEqual([['exit', 3]])
})
