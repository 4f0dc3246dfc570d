/* What does the ledger remember, and who fills it in?
 *
 * User space writes `settings`, `tasks`, `ports`, and clears the rest before each trial; it reads
 * everything. All maps are bounded: what found no room is counted in LOST. */
#pragma once
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* Memory that payload can lie in: offsets from QUEUED, WIRE and RECEIVED. */
enum class {
	CLASS_LOG,	/* page cache of the log */
	CLASS_FILE,	/* page cache of another file */
	CLASS_ANON,	/* anonymous memory of a process */
	CLASS_PRIVATE,	/* pages that only the kernel has */
	CLASS_DEVICE,	/* memory of a device */
	CLASS_LINEAR,	/* the packet's linear part: copied there */
	CLASS_UNWALKED, /* not looked at: too many chained packets */
	CLASSES,
};

/* Indices of `counts`. harness/src/ledger/counts.rs has the same list. */
enum count {
	QUEUED = 0,	/* as the protocol handed it to the device's queue */
	WIRE = QUEUED + CLASSES,
	RECEIVED = WIRE + CLASSES,
	WIRE_PACKETS = RECEIVED + CLASSES,
	WIRE_AGAIN,	/* payload seen before: stacked devices, retransmits */
	WIRE_AGAIN_LINEAR,
	RECEIVED_BYTES, /* what the receiver's copies returned */
	RECEIVED_VISITS,
	SENT_UNIX_BYTES,
	TCP_SENDS_PLAIN,
	TCP_SENDS_SPLICE,
	TCP_SENDS_ZEROCOPY,
	CACHE_FILL_BYTES,
	CACHE_EVICT_BYTES,
	FAULTS_USER,
	FAULTS_KERNEL,
	URING_SUBMITTED,
	DEVICE_WRITE_BYTES,
	URING_PUNTED,
	SWITCHES,	/* role × (voluntary, involuntary) */
	WINDOWS = SWITCHES + 10,
	LOST,
	COUNTS,
};

enum role {
	ROLE_NONE,
	ROLE_SENDER,
	ROLE_RECEIVER,
	ROLE_WORKER,	/* io_uring's workers of the sender */
	ROLE_POLLER,	/* its submission queue's thread */
};

struct settings {
	__u32 armed;	/* wait for the sender's first marker call; or, watching, count at once */
	__u32 live;	/* count packets: from the first marker on until user space has read */
	__u32 window;	/* count what the sender does: from its first marker to its second */
	__u32 learner;	/* the thread whose file accesses teach the log's mappings */
	__u32 port;	/* watch: the server's port, else 0 */
};

/* How far a flow has been seen at one stage. */
struct seen_to {
	__u32 next_seq, begun;
};

struct flow_key {
	__u64 sock;
	__u32 ports;
	__u32 zero;
};
/* One direction of one connection. */
struct flow {
	struct seen_to queued, wire;
	__u64 sent_bytes, wire_bytes;
};
struct sys_key {
	__u32 role, id;
};
/* A call that moves bytes: what it was, from what to what. */
struct move_key {
	__u16 call;
	__u8 from, to, flags, zero[3];
};
struct move {
	__u64 calls, bytes;
};
struct file_key {
	__u64 inode;
	__u32 device, zero;
};
struct seen_key {
	__u64 skb;
	__u32 seq, zero;
};

#define MAP(name, kind, k, v, entries)                 \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_##kind);     \
		__uint(max_entries, entries);          \
		__type(key, k);                        \
		__type(value, v);                      \
	} name SEC(".maps")

MAP(settings, ARRAY, __u32, struct settings, 1);
MAP(counts, PERCPU_ARRAY, __u32, __u64, COUNTS);
MAP(tasks, HASH, __u32, __u32, 1024);		      /* process → role */
MAP(mappings, HASH, __u64, __u32, 4096);	      /* address_space of the log → how it was learnt */
MAP(ports, HASH, __u32, __u32, 32768);		      /* local port << 16 | remote port of the trial */
MAP(peers, LRU_HASH, __u32, __u32, 32768);	      /* watch: the same of connections whose packets left */
MAP(flows, LRU_HASH, struct flow_key, struct flow, 32768);
MAP(syscalls, HASH, struct sys_key, __u64, 2048);
MAP(moves, HASH, struct move_key, struct move, 1024);
MAP(files, HASH, struct file_key, __u64, 4096);
MAP(devices, HASH, __u32, struct move, 64);	      /* dev_t → reads issued */
MAP(pending, LRU_HASH, __u32, struct move_key, 4096); /* thread → the call that it is in */
MAP(seen, LRU_HASH, struct seen_key, __u32, 16384);   /* packet → bytes of it counted */

static __always_inline void add(__u32 index, __u64 value)
{
	__u64 *count = bpf_map_lookup_elem(&counts, &index);
	if (count)
		__sync_fetch_and_add(count, value);
}

static __always_inline struct settings *configured(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline bool live(void)
{
	struct settings *now = configured();
	return now && now->live;
}

static __always_inline bool in_window(void)
{
	struct settings *now = configured();
	return now && now->window;
}

static __always_inline bool watching(void)
{
	struct settings *now = configured();
	return now && now->port;
}

/* A TCP socket; others number their ports for themselves. */
static __always_inline bool is_tcp(const struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_protocol) == 6;
}
