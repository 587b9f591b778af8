import { describe, expect, test } from 'vitest'
import { UsageError } from '../../../src/errors.ts'
import { proxyOf } from '../../../src/sources/dynamodb/proxy.ts'

/** The proxy with its URLs revealed. */
function read(environment: Record<string, string>) {
  const { http, https, except } = proxyOf(environment) ?? {}
  return { http: http?.reveal(), https: https?.reveal(), except }
}

describe('the proxy for calls to AWS', () => {
  test.each([[{}], [{ HTTPS_PROXY: '', http_proxy: '' }], [{ NO_PROXY: '*', ALL_PROXY: 'http://p' }]])(
    'is not configured by %j',
    (environment) => {
      expect(proxyOf(environment)).toBeUndefined()
    },
  )

  test('is read from variables; lower case takes precedence', () => {
    const environment = { HTTP_PROXY: 'http://a:1', HTTPS_PROXY: 'http://b:2', NO_PROXY: 'c,.d' }
    expect(read(environment)).toEqual({ http: 'http://a:1', https: 'http://b:2', except: 'c,.d' })
    expect(read({ ...environment, http_proxy: 'http://e', no_proxy: 'f' })).toEqual({
      http: 'http://e',
      https: 'http://b:2',
      except: 'f',
    })
  })

  test('may omit the scheme', () => {
    expect(read({ HTTPS_PROXY: 'proxy.example:3128' })).toMatchObject({ https: 'http://proxy.example:3128' })
    expect(read({ HTTPS_PROXY: '10.0.0.1:3128' })).toMatchObject({ https: 'http://10.0.0.1:3128' })
  })

  test.each(['socks5://user:sentinel@proxy', 'http://', 'http://user:sentinel@:x', 'ftp://sentinel'])(
    'is rejected without showing its password: %s',
    (url) => {
      const message = 'https_proxy must be a URL with the scheme http:// or https://'
      expect(() => proxyOf({ https_proxy: url })).toThrow(new UsageError(message))
    },
  )

  test('does not show its password when it is printed', () => {
    expect(JSON.stringify(proxyOf({ HTTPS_PROXY: 'http://user:sentinel@proxy' }))).not.toContain('sentinel')
  })
})
