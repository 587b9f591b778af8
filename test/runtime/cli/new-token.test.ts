import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { newToken } from '../../../src/runtime/cli/new-token.ts'

async function printed() {
  let text = ''
  expect(await newToken({ stdout: { write: (more: string) => (text += more) } })).toBe(0)
  const [, token = '', digest] = /^token: ([\w-]{43})\nhash: sha256:([\da-f]{64})\n$/.exec(text) ?? []
  return { token, digest }
}

test('the token command prints a new token each time, and its hash', async () => {
  const [first, second] = [await printed(), await printed()]

  expect(first.digest).toBe(hash('sha256', first.token))
  expect(second.token).not.toBe(first.token)
})
