// Values under topics, found by topic or by filter: the mirror image of the subscription index.

interface Node<T> {
  children: Map<string, Node<T>>;
  value: T | undefined;
}

/** Most topics have none below them, and an empty Map takes 230 octets. Never written to. */
const LEAF = new Map<string, never>();

function newNode<T>(): Node<T> {
  return { children: LEAF, value: undefined };
}

/** A tree of topics by level. */
export class TopicTree<T> {
  private root = newNode<T>();
  size = 0;

  get(topic: string): T | undefined {
    let node: Node<T> | undefined = this.root;
    for (const level of topic.split('/')) {
      node = node.children.get(level);
      if (node === undefined) return undefined;
    }
    return node.value;
  }

  set(topic: string, value: T): void {
    let node = this.root;
    for (const level of topic.split('/')) {
      let child = node.children.get(level);
      if (child === undefined) {
        child = newNode();
        if (node.children === LEAF) node.children = new Map();
        node.children.set(level, child);
      }
      node = child;
    }
    if (node.value === undefined) this.size++;
    node.value = value;
  }

  delete(topic: string): boolean {
    const deleted = this.prune(this.root, topic.split('/'), 0);
    if (deleted) this.size--;
    return deleted;
  }

  private prune(node: Node<T>, levels: readonly string[], at: number): boolean {
    if (at === levels.length) {
      const had = node.value !== undefined;
      node.value = undefined;
      return had;
    }
    const child = node.children.get(levels[at]!);
    if (child === undefined || !this.prune(child, levels, at + 1)) return false;
    if (child.value === undefined && child.children.size === 0) node.children.delete(levels[at]!);
    return true;
  }

  clear(): void {
    this.root = newNode();
    this.size = 0;
  }

  /** Calls `visit` with every value whose topic `filter` matches. */
  select(filter: string, visit: (value: T) => void): void {
    const levels = filter.split('/');
    const several = levels.indexOf('#') !== levels.lastIndexOf('#');
    select(this.root, levels, 0, true, visit, several ? levels.map(() => new Set()) : undefined);
  }
}

function select<T>(
  node: Node<T>,
  levels: readonly string[],
  at: number,
  top: boolean,
  visit: (value: T) => void,
  tried: readonly Set<Node<T>>[] | undefined,
): void {
  if (tried !== undefined && at < levels.length) {
    // With several `#` there are many ways to one place: the first is enough.
    const here = tried[at]!;
    if (here.has(node)) return;
    here.add(node);
  }
  if (at === levels.length) {
    if (node.value !== undefined && !top) visit(node.value);
    return;
  }
  const level = levels[at]!;
  if (level === '#') {
    select(node, levels, at + 1, top, visit, tried);
    for (const [name, child] of node.children) {
      if (!(top && name.startsWith('$'))) select(child, levels, at, false, visit, tried);
    }
  } else if (level === '+') {
    for (const [name, child] of node.children) {
      if (!(top && name.startsWith('$'))) select(child, levels, at + 1, false, visit, tried); // [MQTT5-4.7.2-1]
    }
  } else {
    const child = node.children.get(level);
    if (child !== undefined) select(child, levels, at + 1, false, visit, tried);
  }
}
