import test from 'ava';
import { isFault } from '#src/std/fault.ts';
import { encodeLengthFrame, LengthFrameReader } from '#src/std/length-frames.ts';

test('messages come out whole, however the stream was cut', (t) => {
  const messages = ['', 'a', 'two words', 'x'.repeat(300)];
  const bytes = Uint8Array.from(
    messages.flatMap((message) => [...encodeLengthFrame(new TextEncoder().encode(message))]),
  );
  for (const size of [1, 2, 3, 5, 7, 64, bytes.length]) {
    const reader = new LengthFrameReader(1024);
    const got: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const message of reader.push(bytes.slice(at, at + size))) got.push(new TextDecoder().decode(message));
    }
    t.deepEqual(got, messages, `chunks of ${size}`);
  }
});

test('a message beyond the bound is a fault before it is waited for', (t) => {
  const error = t.throws(() => new LengthFrameReader(10).push(new Uint8Array([0, 0, 0, 11])));
  t.true(isFault(error, 'FRAME_TOO_LARGE'));
});
