// Uploads an object through a line that is cut every few seconds, as a web app would: tus-js-client.
//
//   node upload.js <object as JSON: see README.md> [seconds between cuts] [bytes per second]
//
// Prints bytes sent ÷ size. Ends with 1 if the object is not stored whole, or if 5 % or more of it
// was sent again.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import * as tus from 'tus-js-client'
import { badLine } from './bad-line.js'

const RESENT_MAX = 0.05

const [description, seconds = '3', bytesPerSecond = 'Infinity'] = process.argv.slice(2)
if (!description) {
  console.error("usage: node upload.js <object as JSON: see README.md> [seconds between cuts] [bytes per second]")
  process.exit(2)
}
const object = JSON.parse(description)
const [store] = object.stores
const node = new URL(store.endpoint)
const lifeMs = () => Number(seconds) * 1000 * (0.5 + Math.random())
const line = await badLine({
  host: node.hostname,
  port: Number(node.port),
  lifeMs,
  bytesPerSecond: Number(bytesPerSecond),
})

const begun = performance.now()
const receipt = await new Promise((resolve, reject) => {
  const upload = new tus.Upload(fs.createReadStream(object.path), {
    endpoint: `${line.root}/api/v1/uploads`,
    uploadSize: object.size,
    chunkSize: Number(process.env.CHUNK_BYTES ?? 64 * 1024 * 1024),
    retryDelays: Array.from({ length: 20 }, () => 200),
    metadata: {
      dataObjectId: String(object.object),
      storageBucketId: String(store.bucket),
      bagId: object.bag,
    },
    onError: reject,
    onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader('Upload-Receipt')),
  })
  upload.start()
})
const took = (performance.now() - begun) / 1000
line.close()

const answer = JSON.parse(Buffer.from(receipt, 'base64').toString())
const ratio = line.sentBytes / object.size
console.log(`size          ${object.size}`)
console.log(`sent          ${line.sentBytes}`)
console.log(`sent ÷ size   ${ratio.toFixed(4)}`)
console.log(`cuts          ${line.cuts}`)
console.log(`seconds       ${took.toFixed(1)}`)
console.log(`receipt       object ${answer.object}, ${answer.state}, bucket ${answer.receipt.bucket}`)

const stored = await stored_bytes()
const wanted = createHash('sha256')
for await (const bytes of fs.createReadStream(object.path)) wanted.update(bytes)
const is_whole = stored === wanted.digest('hex')
console.log(`stored        ${is_whole ? 'every byte' : 'SOMETHING ELSE'}`)
process.exit(is_whole && answer.id === object.hash && ratio < 1 + RESENT_MAX ? 0 : 1)

// What the node serves, as another storage node would fetch it, accepted or not.
async function stored_bytes() {
  const headers = { 'x-colossus-host-id': 'the-bench' }
  const file = await fetch(`${node.origin}/api/v1/files/${object.object}`, { headers })
  const hash = createHash('sha256')
  for await (const bytes of file.body) hash.update(bytes)
  return hash.digest('hex')
}
