/** Recognizes the contents of files that should be PEM: https://www.rfc-editor.org/rfc/rfc7468. */
import { UnusableFile } from '../../../errors.ts'

export interface Block {
  /** Such as `CERTIFICATE`. */
  readonly label: string
  /** Including the first and the last line. */
  readonly text: string
}

/** Also after a byte order mark, and on the last line of the block before, which OpenSSL does not accept. */
const block = /-----BEGIN ([A-Z\d ]+)-----.*?-----END \1-----/gs

/** Returns the blocks of a PEM file; none if it has another format. */
export function blocksIn(bytes: Buffer): Block[] {
  return Array.from(bytes.toString('latin1').matchAll(block), ([text, label = '']) => ({ label, text }))
}

/**
 * @param file names the file in error messages
 * @param content what the file must contain, such as `a certificate`
 * @param label that of the blocks with this content
 * @throws UnusableFile if the file has no such block, or a block without an end
 */
export function requiredBlocks(bytes: Buffer, file: string, content: string, label: RegExp): Block[] {
  const blocks = blocksIn(bytes).filter((block) => label.test(block.label))
  if (blocks.length === 0)
    throw new UnusableFile(`${file} must be a PEM file with ${content}, received ${describeContent(bytes)}`)
  if (isTruncated(bytes)) throw new UnusableFile(`${file} must be a complete PEM file, but a block has no end`)
  return blocks
}

/** Whether a block has no end, as in a file that is still being written. */
function isTruncated(bytes: Buffer): boolean {
  return bytes.toString('latin1').replaceAll(block, '').includes('-----BEGIN ')
}

/** Whether a private key needs a passphrase. The older format indicates it in a header: RFC 1421, section 4.6.1.1. */
export function isEncrypted({ label, text }: Block): boolean {
  return label.startsWith('ENCRYPTED') || /^Proc-Type: 4,ENCRYPTED/m.test(text)
}

/** Starts with a sequence of the version 3: https://www.rfc-editor.org/rfc/rfc7292#section-4. */
const pkcs12 = /^30(?:[0-7].|80|81.{2}|82.{4}|83.{6}|84.{8})020103/

/** Describes a file for an error message, without its contents. */
export function describeContent(bytes: Buffer): string {
  if (bytes.toString('latin1').trim() === '') return 'an empty file'
  const labels = new Set(blocksIn(bytes).map(({ label }) => label))
  if (labels.size > 0) return `a PEM file with ${[...labels].join(' and ')}`
  if (pkcs12.test(bytes.subarray(0, 16).toString('hex')))
    return 'a PKCS#12 file, which "openssl pkcs12" converts to PEM'
  if (isSequence(bytes)) return 'a DER file, which "openssl x509", "openssl crl" or "openssl pkey" converts to PEM'
  return 'another format'
}

/** Whether the bytes begin like a sequence in DER, with a length in one byte or in several: X.690, section 8.1.3. */
function isSequence({ 0: tag, 1: length = 0, length: size }: Buffer): boolean {
  return tag === 0x30 && (length === size - 2 || (length > 0x80 && length < 0x85))
}
