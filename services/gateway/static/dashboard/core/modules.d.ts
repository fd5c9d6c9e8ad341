// Types of what is vendored, as far as it is used here.
declare module "preact" {
  export type VNode = object;
  export function h(type: any, props: any, ...children: any[]): VNode;
  export function render(node: any, parent: Element): void;
  export const Fragment: any;
}
declare module "htm" {
  const htm: { bind(h: any): (strings: TemplateStringsArray, ...values: any[]) => any };
  export default htm;
}
declare module "preact/hooks" {
  type Set<T> = (value: T | ((before: T) => T)) => void;
  export function useState<T>(initial: T | (() => T)): [T, Set<T>];
  export function useRef<T>(initial: T): { current: T };
  export function useEffect(effect: () => void | (() => void), needs?: any[]): void;
  export function useLayoutEffect(effect: () => void | (() => void), needs?: any[]): void;
  export function useMemo<T>(make: () => T, needs: any[]): T;
  export function useCallback<T>(callback: T, needs: any[]): T;
  export function useId(): string;
}
declare module "@preact/signals" {
  export interface Signal<T> { value: T; peek(): T; subscribe(told: (value: T) => void): () => void }
  export interface ReadonlySignal<T> { readonly value: T; peek(): T }
  export function signal<T>(initial: T): Signal<T>;
  export function computed<T>(make: () => T): ReadonlySignal<T>;
  export function effect(run: () => void | (() => void)): () => void;
  export function batch<T>(run: () => T): T;
  export function useSignal<T>(initial: T): Signal<T>;
  export function useComputed<T>(make: () => T): ReadonlySignal<T>;
  export function useSignalEffect(run: () => void | (() => void)): void;
}
declare module "uplot" {
  export default class uPlot {
    constructor(options: any, data: any, target: HTMLElement);
    static paths: any;
    width: number;
    data: any;
    cursor: any;
    over: HTMLElement;
    setData(data: any): void;
    setSize(size: { width: number; height: number }): void;
    destroy(): void;
  }
}
