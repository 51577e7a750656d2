/** Probes as the kubelet sends them, for every runtime driver: the sentences are Kubernetes' own. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { ProbeTarget } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';

const BODY_BYTES_MAX = 10 * 1024;

export function probe(target: ProbeTarget, timeoutMs: number): Promise<{ status?: number; body?: string }> {
  return target.type === 'tcp' ? probeTcp(target.host, target.port, timeoutMs) : probeHttp(target, timeoutMs);
}

function probeTcp(host: string, port: number, timeoutMs: number): Promise<Record<string, never>> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Fault('RUNTIME_PROBE', `dial tcp ${host}:${port}: ${why}`, 'later'));
    };
    socket.once('connect', () => {
      socket.destroy();
      resolve({});
    });
    socket.once('timeout', () => fail('i/o timeout'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      fail(error.code === 'ECONNREFUSED' ? 'connect: connection refused' : error.message),
    );
  });
}

function probeHttp(
  target: ProbeTarget & { type: 'http' },
  timeoutMs: number,
): Promise<{ status: number; body: string }> {
  const url = `${target.scheme}://${target.host}:${target.port}${target.path}`;
  const send = target.scheme === 'https' ? httpsRequest : httpRequest;
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.36', accept: '*/*', connection: 'close' };
  for (const { name, value } of target.headers) headers[name.toLowerCase()] = value;
  return new Promise((resolve, reject) => {
    const failed = (why: string): void => reject(new Fault('RUNTIME_PROBE', `Get "${url}": ${why}`, 'later'));
    const sent = send(url, { method: 'GET', headers, agent: false, rejectUnauthorized: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        if (body.length < BODY_BYTES_MAX) body += chunk.toString('utf8');
      });
      response.on('error', (error) => failed(error.message));
      response.on('close', () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, body: body.slice(0, BODY_BYTES_MAX) });
      });
    });
    const timer = setTimeout(() => {
      failed('context deadline exceeded (Client.Timeout exceeded while awaiting headers)');
      sent.destroy();
    }, timeoutMs);
    sent.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      failed(
        error.code === 'ECONNREFUSED'
          ? `dial tcp ${target.host}:${target.port}: connect: connection refused`
          : error.message,
      );
    });
    sent.end();
  });
}
