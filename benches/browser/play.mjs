// A real browser opens a video at an edge that does not have it, seeks far ahead at once, plays, seeks
// back and plays on. Fails if no frame is decoded, if the picture stands still, or if the edge was warm.
//
//   npm install
//   node play.mjs --edge http://127.0.0.1:3334 --object 0 --screenshot playback.png
//
// CHROMIUM names the browser; /usr/bin/chromium without it.

import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const PLAY_MS = 2_000;
const WAIT_MS_MAX = 30_000;

const { values: options } = parseArgs({
  options: {
    edge: { type: 'string', default: 'http://127.0.0.1:3334' },
    object: { type: 'string', default: '0' },
    screenshot: { type: 'string' },
    warm: { type: 'boolean', default: false },
  },
});
const url = `${options.edge.replace(/\/$/, '')}/api/v1/assets/${options.object}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--autoplay-policy=no-user-gesture-required',
  ],
});

/** What the player shows now. */
const state = (page) =>
  page.evaluate(() => {
    const video = document.querySelector('video');
    const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
    return {
      seconds: video.currentTime,
      duration: video.duration,
      frames: totalVideoFrames - droppedVideoFrames,
      size: `${video.videoWidth}x${video.videoHeight}`,
      error: video.error?.message ?? null,
    };
  });

/** Plays for a while; fails if the picture stands still. */
async function play(page, what) {
  const before = await state(page);
  await page.evaluate(() => document.querySelector('video').play());
  await page.waitForFunction(
    ({ from, frames }) => {
      const video = document.querySelector('video');
      return (
        video.error ||
        (video.currentTime > from && video.getVideoPlaybackQuality().totalVideoFrames > frames)
      );
    },
    { from: before.seconds + PLAY_MS / 1_000, frames: before.frames + 1 },
    { timeout: WAIT_MS_MAX },
  );
  const after = await state(page);
  if (after.error) throw new Error(`${what}: ${after.error}`);
  console.log(
    `${what}: ${before.seconds.toFixed(2)} s → ${after.seconds.toFixed(2)} s of ${after.duration.toFixed(2)} s, ` +
      `${after.frames - before.frames} frames of ${after.size}`,
  );
}

/** Seeks and waits for the picture. */
async function seek(page, share) {
  const tookMs = await page.evaluate(
    async ({ share, waitMsMax }) => {
      const video = document.querySelector('video');
      const started = performance.now();
      const there = new Promise((resolve, reject) => {
        video.addEventListener('seeked', resolve, { once: true });
        video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true });
        setTimeout(() => reject(new Error('the seek did not end')), waitMsMax);
      });
      video.currentTime = video.duration * share;
      await there;
      return performance.now() - started;
    },
    { share, waitMsMax: WAIT_MS_MAX },
  );
  console.log(`seek to ${share * 100} %: picture after ${tookMs.toFixed(0)} ms`);
}

try {
  const page = await browser.newPage({ viewport: { width: 1000, height: 620 } });
  const answers = [];
  page.on('response', (response) => {
    if (response.url() !== url) return;
    const headers = response.headers();
    const range = headers['content-range'] ?? 'whole';
    answers.push({ status: response.status(), cache: headers['x-cache'], range });
    console.log(`edge: ${response.status()} x-cache: ${headers['x-cache']} ${range}`);
  });
  await page.setContent(
    `<body style="margin:0;background:#101418;color:#d8dee4;font:15px system-ui">
       <video muted controls width="1000" src="${url}"></video>
       <p style="margin:8px 16px">${url}</p>
     </body>`,
  );
  await page.waitForFunction(
    () => {
      const video = document.querySelector('video');
      return video.error || video.readyState >= 1;
    },
    null,
    { timeout: WAIT_MS_MAX },
  );
  const { error } = await state(page);
  if (error) throw new Error(`${url} cannot be played: ${error}`);
  await seek(page, 0.8);
  await play(page, 'far ahead');
  await seek(page, 0.1);
  await play(page, 'near the start');
  if (options.screenshot) await page.screenshot({ path: options.screenshot });

  if (!options.warm && answers[0]?.cache !== 'miss') {
    throw new Error(`the edge was not cold: its first answer was x-cache: ${answers[0]?.cache}`);
  }
  if (!answers.some(({ status, range }) => status === 206 && !range.startsWith('bytes 0-'))) {
    throw new Error('the browser never asked for a range further on');
  }
  console.log('played and seeked');
} catch (error) {
  console.error(`failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
