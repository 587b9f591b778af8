/** The `error.type` of a span: https://opentelemetry.io/docs/specs/semconv/attributes-registry/error/ */
import { codeOf, nameOf } from '../bus/thrown.ts'

/** The code or the name of an error. Its message is never exported, because it may quote a payload. */
export function errorType(error: unknown): string {
  const code = codeOf(error)
  return typeof code === 'string' && code !== '' ? code : nameOf(error)
}
