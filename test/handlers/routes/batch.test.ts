import { expect, onTestFinished, test, vi } from 'vitest'
import { Batch } from '../../../src/handlers/routes/batch.ts'

function batch() {
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const handled: string[] = []
  return { handled, batch: new Batch<string>(async (item) => void handled.push(item), 5) }
}

test('handles items in order, within the maximum delay', () => {
  const { handled, batch: items } = batch()

  items.add('first')
  vi.advanceTimersByTime(4)
  items.add('second')
  expect(handled).toEqual([])
  vi.advanceTimersByTime(1)
  expect(handled).toEqual(['first', 'second'])

  items.add('third')
  vi.advanceTimersByTime(5)
  expect(handled).toEqual(['first', 'second', 'third'])
})

test('a flush handles pending items immediately, and only once', () => {
  const { handled, batch: items } = batch()
  items.add('first')

  void items.flush()
  expect(handled).toEqual(['first'])

  vi.advanceTimersByTime(100)
  void items.flush()
  expect(handled).toEqual(['first'])
})

test('a failing item affects neither the other items nor the flush', async () => {
  const handled: string[] = []
  const items = new Batch<string>(async (item) => {
    if (item === 'bad') throw new Error('oops')
    handled.push(item)
  }, 5)
  items.add('bad')
  items.add('good')

  await items.flush()
  expect(handled).toEqual(['good'])
})
