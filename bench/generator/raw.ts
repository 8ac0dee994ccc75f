// The runtime's raw TCP handles, typed: the part of them that the generator and the floor use.
//
// `process.binding` is deprecated, and the hub itself keeps away from it. A load generator must cost less than what it
// measures: a net.Socket costs about 3 us a chunk more than its handle, and a broker here spends 0.2 us a message.

export interface WriteRequest {
  oncomplete: ((status: number) => void) | null;
  /** Holds the memory until the kernel has taken it. */
  bytes: Uint8Array | null;
}

interface ConnectRequest {
  oncomplete: ((status: number) => void) | null;
}

export interface TcpHandle {
  onread: ((chunk: ArrayBuffer | undefined) => void) | null;
  onconnection: ((status: number, handle: TcpHandle) => void) | null;
  bind(address: string, port: number): number;
  listen(backlog: number): number;
  connect(request: ConnectRequest, address: string, port: number): number;
  useUserBuffer(view: Uint8Array): void;
  readStart(): number;
  setNoDelay(on: boolean): void;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  close(): void;
}

interface TcpBinding {
  TCP: new (type: number) => TcpHandle;
  TCPConnectWrap: new () => ConnectRequest;
  constants: { SOCKET: number; SERVER: number };
}

interface StreamBinding {
  WriteWrap: new () => WriteRequest;
  kReadBytesOrError: number;
  kLastWriteWasAsync: number;
  streamBaseState: Int32Array;
}

const binding = (process as unknown as { binding(name: string): unknown }).binding.bind(process);
const tcp = binding('tcp_wrap') as TcpBinding;
const stream = binding('stream_wrap') as StreamBinding;
const { kReadBytesOrError, kLastWriteWasAsync, streamBaseState } = stream;

export const newClientHandle = (): TcpHandle => new tcp.TCP(tcp.constants.SOCKET);
export const newServerHandle = (): TcpHandle => new tcp.TCP(tcp.constants.SERVER);
export const newConnectRequest = (): ConnectRequest => new tcp.TCPConnectWrap();
export const newWriteRequest = (): WriteRequest => new stream.WriteWrap();

/** Octets of the read that `onread` was just called for; negative: the end, or an error. */
export const lastRead = (): number => streamBaseState[kReadBytesOrError]!;

/** False: the last write went to the kernel whole, and its request and memory may be used again. */
export const lastWriteWasAsync = (): boolean => streamBaseState[kLastWriteWasAsync] === 1;
