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

test('what is added is handled in its order, no later than its patience', () => {
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

test('a flush handles at once what waits, and only once', () => {
  const { handled, batch: items } = batch()
  items.add('first')

  void items.flush()
  expect(handled).toEqual(['first'])

  vi.advanceTimersByTime(100)
  void items.flush()
  expect(handled).toEqual(['first'])
})

test('an item that fails keeps no other from being handled, and no flush from its end', async () => {
  const handled: string[] = []
  const items = new Batch<string>(async (item) => {
    if (item === 'bad') throw new Error('it is bad')
    handled.push(item)
  }, 5)
  items.add('bad')
  items.add('good')

  await items.flush()
  expect(handled).toEqual(['good'])
})
