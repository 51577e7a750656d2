/** What the tables of all kinds are made with: columns, and the cells that many kinds share. */
import { ageOf } from '../human-duration.ts';
import type { KubeObject } from '../object.ts';
import type { LabelSelector, PodSpec } from '../objects.ts';
import { formatLabelSelector } from '../selectors.ts';
import type { Cell, Column } from '../table.ts';

/** Columns of a kind, and the cells of a row of it: as many as there are columns. */
export interface Printer {
  readonly columns: readonly Column[];
  readonly cells: (object: KubeObject, nowMs: number) => Cell[];
}

/** For a kind whose objects have the shape T. */
export function printer<T>(columns: readonly Column[], cells: (object: T, nowMs: number) => Cell[]): Printer {
  return { columns, cells: cells as Printer['cells'] };
}

export function column(name: string, description: string, type: Column['type'] = 'string'): Column {
  return { name, type, format: '', description, priority: 0 };
}

/** Shown with `-o wide` only. */
export function wide(name: string, description: string, type: Column['type'] = 'string'): Column {
  return { name, type, format: '', description, priority: 1 };
}

export const NAME: Column = { ...column('Name', 'Unique within the namespace; cannot be changed.'), format: 'name' };
export const AGE = column('Age', 'Time since the object was created.');
export const CONTAINERS = wide('Containers', 'Names of the containers in the template.');
export const IMAGES = wide('Images', 'Images of the containers in the template.');
export const SELECTOR = wide('Selector', 'Labels of the Pods that belong to it.');

export function nameOf(object: KubeObject): string {
  return object.metadata?.name ?? '';
}

export function age(object: KubeObject, nowMs: number): string {
  return ageOf(object.metadata?.creationTimestamp, nowMs);
}

/** Kinds without columns of their own: as the API server prints what it knows nothing about. */
export const plain: Printer = printer<KubeObject>(
  [NAME, { ...column('Created At', 'When the object was created.', 'date') }],
  (object) => [nameOf(object), object.metadata?.creationTimestamp ?? '<unknown>'],
);

export const nameAndAge: Printer = printer<KubeObject>([NAME, AGE], (object, nowMs) => [
  nameOf(object),
  age(object, nowMs),
]);

interface Template {
  spec?: Pick<PodSpec, 'containers'>;
}

/** Containers and images. */
export function containerCells(template: Template | undefined): Cell[] {
  const containers = template?.spec?.containers ?? [];
  return [containers.map(({ name }) => name).join(','), containers.map(({ image }) => image ?? '').join(',')];
}

/** Containers, images and selector. */
export function templateCells(template: Template | undefined, selector: LabelSelector | undefined): Cell[] {
  return [...containerCells(template), selectorCell(selector)];
}

export function selectorCell(selector: LabelSelector | undefined): string {
  return formatLabelSelector(selector) || '<none>';
}

/** The first few, then how many more. */
export function firstOf(all: readonly string[], shownMax: number): string {
  const shown = all.slice(0, shownMax).join(',');
  return all.length > shownMax ? `${shown} + ${all.length - shownMax} more...` : shown;
}
