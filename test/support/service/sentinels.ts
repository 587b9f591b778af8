/** Values that prove a leak wherever they turn up, and the search for them in whatever a program lets out. */

export interface Sentinel {
  readonly name: string
  readonly value: string
  /** What is searched for: how a part of the value looks, by how it may be written. Without white space. */
  readonly forms: ReadonlyMap<string, string>
}

/** A sentinel that was found where it should not be. */
export interface Leak {
  readonly outlet: string
  readonly sentinel: string
  readonly form: string
  /** What stands around it. */
  readonly excerpt: string
}

/** What came out of a program, by where. */
export class Outlets {
  readonly #texts = new Map<string, string[]>()

  get names(): string[] {
    return [...this.#texts.keys()]
  }

  /** All that came out there, one after another. */
  texts(outlet: string): readonly string[] {
    return this.#texts.get(outlet) ?? []
  }

  add(outlet: string, text: string): void {
    const texts = this.#texts.get(outlet)
    if (texts) texts.push(text)
    else this.#texts.set(outlet, [text])
  }

  leaks(...sentinels: Sentinel[]): Leak[] {
    return [...this.#texts].flatMap(([outlet, texts]) => {
      const text = texts.join('\n')
      return leaksIn(text, ...sentinels).map((leak) => ({ outlet, ...leak }))
    })
  }
}

export function leaksIn(text: string, ...sentinels: Sentinel[]): Omit<Leak, 'outlet'>[] {
  const squeezed = squeeze(text)
  return sentinels.flatMap(({ name, forms }) =>
    [...forms].flatMap(([form, needle]) => {
      const at = squeezed.indexOf(needle)
      return at < 0 ? [] : [{ sentinel: name, form, excerpt: squeezed.slice(Math.max(0, at - 60), at + 60) }]
    }),
  )
}

/**
 * The value is the unit over and over, so that a part of it, as a parse error quotes it, is found too.
 * @param unit its bytes in UTF-8 are a multiple of three, for base64
 */
export function sentinel(name: string, unit: string): Sentinel {
  const value = unit.repeat(5)
  return { name, value, forms: formsOf(unit, value) }
}

/** Each line of a PEM is one, as text and as the bytes that it stands for. */
export function pemSentinels(name: string, pem: string): Sentinel[] {
  const lines = pem.split('\n').filter((line) => /^[\w+/]{20,}=*$/.test(line))
  return lines.map((line, index) => {
    const bytes = Buffer.from(line, 'base64')
    const forms = [...formsOf(line, line), ...byteForms(bytes).map(([form, text]) => [`its ${form}`, text] as const)]
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
    ['bytes taken for letters', Buffer.from(unit).toString('latin1')],
    ['JSON', json(unit)],
    ['JSON in JSON', json(json(unit))],
    ['JSON in ASCII', ascii(json(unit))],
    ['URL', url],
    ['URL in small letters', url.replaceAll(/%../g, (code) => code.toLowerCase())],
    ['HTML', unit.replaceAll('"', '&quot;')],
    ['UTF-16', Buffer.from(unit, 'utf16le').toString('latin1')],
    ['characters', [...unit].join()],
    ['characters as JSON', JSON.stringify([...unit]).slice(1, -1)],
    ['characters in quotes', [...unit].map((character) => `'${character}'`).join()],
    ...byteForms(Buffer.from(unit)),
    // It depends on where in three bytes the value begins.
    ...[0, 1, 2].flatMap((skipped): [string, string][] => {
      const text = Buffer.from(value)
        .subarray(skipped)
        .toString('base64')
        .slice(0, (Buffer.byteLength(unit) / 3) * 4)
      return [
        [`base64, ${skipped} bytes later`, text],
        [`base64url, ${skipped} bytes later`, text.replaceAll('+', '-').replaceAll('/', '_')],
      ]
    }),
  ]
  return distinct(forms)
}

/** Many forms of what is plain ASCII are the same. */
function distinct(forms: (readonly [string, string])[]): ReadonlyMap<string, string> {
  const byNeedle = new Map(forms.toReversed().map(([form, text]) => [squeeze(text), form]))
  return new Map([...byNeedle].map(([needle, form]) => [form, needle]))
}

function byteForms(bytes: Buffer): [string, string][] {
  const hex = bytes.toString('hex')
  return [
    ['bytes', [...bytes].join()],
    ['hex', hex],
    ['hex in capitals', hex.toUpperCase()],
  ]
}

/** What is broken into lines or padded is found like what is not: white space and zeros do not count. */
function squeeze(text: string): string {
  return text.replaceAll(/[\s\0]+/g, '')
}
