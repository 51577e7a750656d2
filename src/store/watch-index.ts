/**
 * Which ranges hold a key: ranges sorted by start, with the greatest end of all ranges so far, so that the
 * search walks back only while some range may still hold the key. Equal ranges share one place.
 */
import type { Key } from './command.ts';

type Ranged = { readonly from: Key; readonly to: Key };
type Place<T> = { from: Key; to: Key; members: Set<T> };

export class WatchIndex<T extends Ranged> {
  #places: Place<T>[] = [];
  /** The greatest `to` of places[0..i]. */
  #greatestTo: Key[] = [];

  add(member: T): void {
    const at = this.#find(member);
    const place = this.#places[at];
    if (place !== undefined && place.from === member.from && place.to === member.to) {
      place.members.add(member);
      return;
    }
    this.#places.splice(at, 0, { from: member.from, to: member.to, members: new Set([member]) });
    this.#rebuildFrom(at);
  }

  remove(member: T): void {
    const at = this.#find(member);
    const place = this.#places[at];
    if (place === undefined || !place.members.delete(member) || place.members.size > 0) return;
    this.#places.splice(at, 1);
    this.#rebuildFrom(at);
  }

  /** Visit the members whose range holds `key`. A visit may remove the visited member. */
  match(key: Key, visit: (member: T) => void): void {
    const places = this.#places;
    const ends = this.#greatestTo;
    for (let at = this.#lastStartingAt(key); at >= 0 && ends[at]! > key; at--) {
      const place = places[at]!;
      if (key < place.to) for (const member of place.members) visit(member);
    }
  }

  /** The last place with from <= key, or -1. */
  #lastStartingAt(key: Key): number {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#places[middle]!.from <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The place of this range, or where it belongs. */
  #find({ from, to }: Ranged): number {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const place = this.#places[middle]!;
      if (place.from < from || (place.from === from && place.to < to)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #rebuildFrom(at: number): void {
    this.#greatestTo.length = this.#places.length;
    for (let place = at; place < this.#places.length; place++) {
      const { to } = this.#places[place]!;
      const before = place === 0 ? '' : this.#greatestTo[place - 1]!;
      this.#greatestTo[place] = to > before ? to : before;
    }
  }
}
