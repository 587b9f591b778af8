/** The AWS CloudFormation validator, which knows the schema of every resource type. */
import { type Engine, RegoEngine, TemplateFile } from '@aws/cloudformation-validate'
import type { Parameters, Template } from '../support/project/template.ts'

/** A template in memory. */
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

/** Starts the engine on first use, because that takes seconds, and keeps it until `free`. */
class Validator {
  #engine: Engine | undefined

  /** The warnings and errors for the template with these parameters. */
  findings({ text }: Template, parameters: Parameters): string[] {
    this.#engine ??= new RegoEngine()
    const { status, diagnostics } = this.#engine.validateStandard(new TemplateText(text), {
      severityLevel: 'WARN',
      parameterOverrides: parameters,
    })
    const findings = diagnostics.map(
      ({ severity, ruleId, startLine, message }) => `${severity} ${ruleId} in line ${startLine}: ${message}`,
    )
    return status === 'OK' ? findings : [status, ...findings] // the diagnostics may be incomplete
  }

  free(): void {
    this.#engine?.free()
    this.#engine = undefined
  }
}

export const validator = new Validator()
