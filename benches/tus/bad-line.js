// A TCP proxy of a given speed that cuts every connection when its time is up, and counts what
// clients sent.
import net from 'node:net'

/** Starts it. `lifeMs()` says how long the next connection lives. */
export async function badLine({ host, port, lifeMs, bytesPerSecond = Infinity }) {
  const line = { sentBytes: 0, cuts: 0 }
  const server = net.createServer((client) => {
    const node = net.connect({ host, port })
    const cut = () => {
      clearTimeout(timer)
      client.destroy()
      node.destroy()
    }
    const timer = setTimeout(() => {
      line.cuts += 1
      cut()
    }, lifeMs())
    client.on('data', (bytes) => {
      line.sentBytes += bytes.length
      client.pause()
      const sent = new Promise((done) => node.write(bytes, done))
      const pace = new Promise((done) => setTimeout(done, (bytes.length / bytesPerSecond) * 1000))
      Promise.all([sent, pace]).then(() => client.resume())
    })
    node.pipe(client)
    for (const end of [client, node]) {
      end.on('error', cut)
      end.on('close', cut)
    }
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  line.root = `http://127.0.0.1:${server.address().port}`
  line.close = () => server.close()
  return line
}
