import { expect, test } from 'vitest'
import { prefersHtml } from '../../../src/handlers/pages/accept.ts'

test.for([
  'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8', // Chromium
  'text/html',
  'TEXT/HTML; charset=utf-8',
  'text/*',
  'application/json;q=0.5, text/html;q=0.501',
  '*/*, application/json;q=0',
  'text/html, application/*;q=0.9',
])('HTML is preferred: %s', (accept) => {
  expect(prefersHtml(accept)).toBe(true)
})

test.for([
  undefined,
  '',
  '*/*', // curl
  'application/json',
  'text/html, application/json',
  'text/html;q=0.8, */*;q=0.9',
  'text/html;q=0, */*',
  'text/html;q=1.5, */*;q=0.1', // an invalid weight
  'text/*;q=0.2, application/json;q=0.3',
  'image/png',
  'text/htmlx',
])('HTML is not preferred: %s', (accept) => {
  expect(prefersHtml(accept)).toBe(false)
})
