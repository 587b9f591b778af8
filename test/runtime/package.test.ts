import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { readPackage } from '../../src/runtime/package.ts'

test('the nearest package.json above the module is read, and the scope is left out of the name', () => {
  const folder = mkdtempSync(join(tmpdir(), 'package '))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'inner/src'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "name": "outer" }')
  writeFileSync(join(folder, 'inner/package.json'), '{ "name": "@acme/orders", "version": "1.2.3", "private": true }')

  const manifest = readPackage(pathToFileURL(join(folder, 'inner/src/service.ts')).href)

  expect(manifest).toEqual({ name: 'orders', version: '1.2.3' })
})
