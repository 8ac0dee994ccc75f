// The subscription index: values under topic filters, found by topic.

interface Node<T> {
  literal: Map<string, Node<T>>;
  /** The `+` child: any one level. */
  single: Node<T> | undefined;
  /** The `#` child: any number of levels, none included. AMQP bindings may go on behind it. */
  multi: Node<T> | undefined;
  values: T[] | undefined;
}

/** Most filters are the end of their branch, and an empty Map takes 230 octets. Never written to. */
const LEAF = new Map<string, never>();

function newNode<T>(): Node<T> {
  return { literal: LEAF, single: undefined, multi: undefined, values: undefined };
}

/** A tree of topic filters by level. Adding and removing cost the depth, matching the branches that can match. */
export class FilterTree<T> {
  private root = newNode<T>();
  size = 0;

  add(filter: string, value: T): void {
    let node = this.root;
    for (const level of filter.split('/')) {
      if (level === '+') {
        node.single ??= newNode();
        node = node.single;
      } else if (level === '#') {
        node.multi ??= newNode();
        node = node.multi;
      } else {
        let child = node.literal.get(level);
        if (child === undefined) {
          child = newNode();
          if (node.literal === LEAF) node.literal = new Map();
          node.literal.set(level, child);
        }
        node = child;
      }
    }
    node.values ??= [];
    node.values.push(value);
    this.size++;
  }

  /** Whether some filter starts with these literal levels. */
  has(levels: string): boolean {
    let node: Node<T> | undefined = this.root;
    for (const level of levels.split('/')) {
      node = node.literal.get(level);
      if (node === undefined) return false;
    }
    return true;
  }

  remove(filter: string, value: T): boolean {
    const removed = this.prune(this.root, filter.split('/'), 0, value);
    if (removed) this.size--;
    return removed;
  }

  private prune(node: Node<T>, levels: readonly string[], at: number, value: T): boolean {
    if (at === levels.length) {
      const index = node.values?.indexOf(value) ?? -1;
      if (index < 0) return false;
      node.values!.splice(index, 1);
      if (node.values!.length === 0) node.values = undefined;
      return true;
    }
    const level = levels[at]!;
    const child = level === '+' ? node.single : level === '#' ? node.multi : node.literal.get(level);
    if (child === undefined || !this.prune(child, levels, at + 1, value)) return false;
    if (isEmpty(child)) {
      if (level === '+') node.single = undefined;
      else if (level === '#') node.multi = undefined;
      else node.literal.delete(level);
    }
    return true;
  }

  /** Every value whose filter matches `topic`, in no particular order, each once. */
  match(topic: string): T[] {
    const into: T[] = [];
    const levels = topic.split('/');
    const trail: Trail<T> = { tried: undefined };
    if (topic.charCodeAt(0) === 0x24) {
      // A leading wildcard never matches a `$` topic. [MQTT311-4.7.2-1] [MQTT5-4.7.2-1]
      const child = this.root.literal.get(levels[0]!);
      if (child !== undefined) collect(child, levels, 1, into, trail);
    } else {
      collect(this.root, levels, 0, into, trail);
    }
    return trail.tried === undefined ? into : [...new Set(into)];
  }
}

function isEmpty<T>(node: Node<T>): boolean {
  return (
    node.values === undefined &&
    node.single === undefined &&
    node.multi === undefined &&
    node.literal.size === 0
  );
}

function gather<T>(node: Node<T>, into: T[]): void {
  if (node.values !== undefined) for (const value of node.values) into.push(value);
}

/** From which level on each `#` that filters go on behind was tried: with several in one filter, each place is tried once. */
interface Trail<T> {
  tried: Map<Node<T>, number> | undefined;
}

function collect<T>(node: Node<T>, levels: readonly string[], at: number, into: T[], trail: Trail<T>): void {
  const multi = node.multi;
  if (multi !== undefined) {
    gather(multi, into);
    if (multi.literal.size > 0 || multi.single !== undefined) {
      trail.tried ??= new Map();
      const until = trail.tried.get(multi) ?? levels.length;
      if (at < until) trail.tried.set(multi, at);
      for (let rest = at; rest < until; rest++) collect(multi, levels, rest, into, trail);
    }
  }
  if (at === levels.length) {
    gather(node, into);
    return;
  }
  if (node.single !== undefined) collect(node.single, levels, at + 1, into, trail);
  const child = node.literal.get(levels[at]!);
  if (child !== undefined) collect(child, levels, at + 1, into, trail);
}
