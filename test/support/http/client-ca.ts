/** A certificate authority for clients, and requests with the certificates that it issues. */
import 'reflect-metadata' // needed by the next import
import type { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralNames,
  type JsonName,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const day = 86_400_000
export const clientAuth = '1.3.6.1.5.5.7.3.2'
export const serverAuth = '1.3.6.1.5.5.7.3.1'

/** The certificate of a client and its key, in PEM. */
export interface Issued {
  readonly cert: string
  readonly key: string
  readonly serialNumber: string
}

export interface CertificateParameters {
  /** By default, the common name `client`. */
  readonly subject?: JsonName
  readonly alternativeNames?: JsonGeneralNames
  /** Days from now. By default valid since yesterday, for 30 days. */
  readonly from?: number
  readonly to?: number
  /** The extended key usage: `clientAuth` by default; undefined for a certificate without it. */
  readonly usage?: string | undefined
}

const daysFromNow = (days: number) => new Date(Date.now() + days * day)
const newKeys = () => crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
const newSerialNumber = () => `01${Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('hex')}`

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const base64 = Buffer.from(await crypto.subtle.exportKey('pkcs8', key)).toString('base64')
  return `-----BEGIN PRIVATE KEY-----\n${base64.replaceAll(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`
}

export class ClientCa {
  readonly #keys: webcrypto.CryptoKeyPair
  readonly #certificate: X509Certificate

  private constructor(keys: webcrypto.CryptoKeyPair, certificate: X509Certificate) {
    this.#keys = keys
    this.#certificate = certificate
  }

  /** Creates a root CA. */
  static async create(name: string): Promise<ClientCa> {
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerialNumber(),
      name: `CN=${name}`,
      notBefore: daysFromNow(-60),
      notAfter: daysFromNow(60),
      keys,
      signingAlgorithm: algorithm,
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    })
    return new ClientCa(keys, certificate)
  }

  /** The certificate of the CA, in PEM. */
  get cert(): string {
    return `${this.#certificate.toString('pem')}\n`
  }

  /** Creates a CA that this one certifies. */
  async intermediate(name: string, { to = 30, isCa = true } = {}): Promise<ClientCa> {
    const keys = await newKeys()
    const extensions = [new BasicConstraintsExtension(isCa, undefined, true)]
    return new ClientCa(keys, await this.#sign(keys, `CN=${name}`, -2, to, extensions))
  }

  async issue({
    subject = [{ CN: ['client'] }],
    alternativeNames = [],
    from = -1,
    to = 30,
    ...others
  }: CertificateParameters = {}): Promise<Issued> {
    const keys = await newKeys()
    const usage = 'usage' in others ? others.usage : clientAuth
    const certificate = await this.#sign(keys, subject, from, to, [
      ...(usage === undefined ? [] : [new ExtendedKeyUsageExtension([usage])]),
      ...(alternativeNames.length > 0 ? [new SubjectAlternativeNameExtension(alternativeNames)] : []),
    ])
    const { serialNumber } = certificate
    return { cert: `${certificate.toString('pem')}\n`, key: await pemOf(keys.privateKey), serialNumber }
  }

  /** Returns a CRL in PEM, by default valid for a day. */
  async crl(revoked: readonly Issued[] = [], { to = 1 } = {}): Promise<string> {
    const list = await X509CrlGenerator.create({
      issuer: this.#certificate.subjectName,
      thisUpdate: daysFromNow(-2),
      nextUpdate: daysFromNow(to),
      signingAlgorithm: algorithm,
      signingKey: this.#keys.privateKey,
      entries: revoked.map(({ serialNumber }) => ({ serialNumber, revocationDate: daysFromNow(-1) })),
    })
    return `${list.toString('pem').replaceAll(' CRL-', ' X509 CRL-')}\n` // the label that OpenSSL requires
  }

  #sign(
    { publicKey }: webcrypto.CryptoKeyPair,
    subject: string | JsonName,
    from: number,
    to: number,
    extensions: Extension[],
  ): Promise<X509Certificate> {
    return X509CertificateGenerator.create({
      serialNumber: newSerialNumber(),
      subject,
      issuer: this.#certificate.subjectName,
      notBefore: daysFromNow(from),
      notAfter: daysFromNow(to),
      publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: algorithm,
      extensions,
    })
  }
}
