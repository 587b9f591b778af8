/** Sentinels (canary values): secrets that prove a leak if any output of a program contains them, and the search for them. */

export interface Sentinel {
  readonly name: string
  readonly value: string
  /** The strings to search for: part of the value in each encoding, without white space, by encoding. */
  readonly forms: ReadonlyMap<string, string>
}

/** An occurrence of a sentinel in an output. */
export interface Leak {
  /** The name of the output. */
  readonly output: string
  readonly sentinel: string
  readonly form: string
  /** The surrounding text. */
  readonly excerpt: string
}

/** The texts that a program has written to each of its outputs, by the name of the output. */
export class Outputs {
  readonly #texts = new Map<string, string[]>()

  get names(): string[] {
    return [...this.#texts.keys()]
  }

  /** The texts of an output, in order. */
  texts(output: string): readonly string[] {
    return this.#texts.get(output) ?? []
  }

  add(output: string, text: string): void {
    const texts = this.#texts.get(output)
    if (texts) texts.push(text)
    else this.#texts.set(output, [text])
  }

  leaks(...sentinels: Sentinel[]): Leak[] {
    return [...this.#texts].flatMap(([output, texts]) => {
      const text = texts.join('\n')
      return leaksIn(text, ...sentinels).map((leak) => ({ output, ...leak }))
    })
  }
}

export function leaksIn(text: string, ...sentinels: Sentinel[]): Omit<Leak, 'output'>[] {
  const stripped = removeWhitespace(text)
  return sentinels.flatMap(({ name, forms }) =>
    [...forms].flatMap(([form, needle]) => {
      const at = stripped.indexOf(needle)
      return at < 0 ? [] : [{ sentinel: name, form, excerpt: stripped.slice(Math.max(0, at - 60), at + 60) }]
    }),
  )
}

/**
 * Creates a sentinel whose value repeats the unit, so that a fragment, such as a parse error quotes, is found too.
 * @param unit a text whose length in UTF-8 is a multiple of three bytes, for base64
 */
export function sentinel(name: string, unit: string): Sentinel {
  const value = unit.repeat(5)
  return { name, value, forms: formsOf(unit, value) }
}

/** Creates a sentinel for each line of a PEM file, as text and as the bytes that it encodes. */
export function pemSentinels(name: string, pem: string): Sentinel[] {
  const lines = pem.split('\n').filter((line) => /^[\w+/]{20,}=*$/.test(line))
  return lines.map((line, index) => {
    const bytes = Buffer.from(line, 'base64')
    const forms = [
      ...formsOf(line, line),
      ...byteForms(bytes).map(([form, text]) => [`decoded ${form}`, text] as const),
    ]
    return { name: `${name}, line ${index + 1}`, value: line, forms: new Map(forms) }
  })
}

function formsOf(unit: string, value: string): ReadonlyMap<string, string> {
  const json = (text: string) => JSON.stringify(text).slice(1, -1)
  const ascii = (text: string) =>
    text.replaceAll(/[^ -~]/g, (at) => `\\u${at.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const url = encodeURIComponent(unit)
  const forms: (readonly [string, string])[] = [
    ['text', unit],
    ['Latin-1', Buffer.from(unit).toString('latin1')],
    ['JSON', json(unit)],
    ['JSON in JSON', json(json(unit))],
    ['JSON in ASCII', ascii(json(unit))],
    ['URL', url],
    ['URL in lower case', url.replaceAll(/%../g, (code) => code.toLowerCase())],
    ['HTML', unit.replaceAll('"', '&quot;')],
    ['UTF-16', Buffer.from(unit, 'utf16le').toString('latin1')],
    ['characters', [...unit].join()],
    ['characters as JSON', JSON.stringify([...unit]).slice(1, -1)],
    ['quoted characters', [...unit].map((character) => `'${character}'`).join()],
    ...byteForms(Buffer.from(unit)),
    // Base64 encodes groups of three bytes, so the text depends on the offset of the value.
    ...[0, 1, 2].flatMap((offset): [string, string][] => {
      const text = Buffer.from(value)
        .subarray(offset)
        .toString('base64')
        .slice(0, (Buffer.byteLength(unit) / 3) * 4)
      return [
        [`base64, offset ${offset}`, text],
        [`base64url, offset ${offset}`, text.replaceAll('+', '-').replaceAll('/', '_')],
      ]
    }),
  ]
  return distinct(forms)
}

/** Removes duplicates: many encodings of plain ASCII are the same. */
function distinct(forms: (readonly [string, string])[]): ReadonlyMap<string, string> {
  const byNeedle = new Map(forms.toReversed().map(([form, text]) => [removeWhitespace(text), form]))
  return new Map([...byNeedle].map(([needle, form]) => [form, needle]))
}

function byteForms(bytes: Buffer): [string, string][] {
  const hex = bytes.toString('hex')
  return [
    ['bytes', [...bytes].join()],
    ['hex', hex],
    ['hex in upper case', hex.toUpperCase()],
  ]
}

/** Removes white space and null characters, so that wrapped or padded values are found. */
function removeWhitespace(text: string): string {
  return text.replaceAll(/[\s\0]+/g, '')
}
