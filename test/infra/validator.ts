/** AWS's own validator, which knows every property of every resource. */
import { type Engine, RegoEngine, TemplateFile } from '@aws/cloudformation-validate'
import type { Parameters, Template } from '../support/project/template.ts'

/** A template that is in no file. */
class TemplateText extends TemplateFile {
  readonly #text: string

  constructor(text: string) {
    super('service.yaml')
    this.#text = text
  }

  override readBytes(): Uint8Array {
    return Buffer.from(this.#text)
  }
}

/** It takes seconds to start, so there is one, from the first use until it is freed. */
class Validator {
  #engine: Engine | undefined

  /** What it has to say of the template with these parameters, from warnings upwards. */
  findings({ text }: Template, parameters: Parameters): string[] {
    this.#engine ??= new RegoEngine()
    const { status, diagnostics } = this.#engine.validateStandard(new TemplateText(text), {
      severityLevel: 'WARN',
      parameterOverrides: parameters,
    })
    const findings = diagnostics.map(
      ({ severity, ruleId, startLine, message }) => `${severity} ${ruleId} in line ${startLine}: ${message}`,
    )
    return status === 'OK' ? findings : [status, ...findings] // it may have left something out
  }

  free(): void {
    this.#engine?.free()
    this.#engine = undefined
  }
}

export const validator = new Validator()
