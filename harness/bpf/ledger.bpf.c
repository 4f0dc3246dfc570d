/* What did the kernel do with the bytes between a log and its sinks?
 *
 * Programs on tracepoints only. Each is loaded by itself: where a kernel lacks a tracepoint the others
 * still count, and user space names the gap. Two programs of one purpose (`name_now`, `name_before`)
 * are for two shapes of a tracepoint, of which a kernel accepts one. */
#include "walk.h"
#include "calls.h"

char LICENSE[] SEC("license") = "GPL";

#define BEHIND_MAX (256 << 20)

/* The flow of a packet or socket that belongs to the trial, or to the watched server. */
static __noinline struct flow *flow_of(const struct sock *sk)
{
	struct settings *now = configured();
	if (!now || !now->live || !sk)
		return 0;
	__u16 local = BPF_CORE_READ(sk, __sk_common.skc_num);
	__u16 remote = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	__u32 both = (__u32)local << 16 | remote;
	if (now->port ? local != now->port || !is_tcp(sk) : !bpf_map_lookup_elem(&ports, &both))
		return 0;
	struct flow_key key = { .sock = (__u64)(unsigned long)sk, .ports = both };
	struct flow *flow = bpf_map_lookup_elem(&flows, &key);
	if (flow)
		return flow;
	struct flow fresh = {};
	bpf_map_update_elem(&flows, &key, &fresh, BPF_NOEXIST);
	if (now->port)
		bpf_map_update_elem(&peers, &both, &both, BPF_ANY);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow)
		add(LOST, 1);
	return flow;
}

/* Counts the payload of a packet of a flow by class, each sequence range once for each stage: below a
 * bridge the same packet is queued and transmitted again. */
static __noinline int stage(const struct sk_buff *skb, __u32 base)
{
	struct flow *flow = flow_of(BPF_CORE_READ(skb, sk));
	if (!flow)
		return 0;
	unsigned char *head = BPF_CORE_READ(skb, head), *data = BPF_CORE_READ(skb, data);
	unsigned char *tcp = head + BPF_CORE_READ(skb, transport_header);
	__u32 seq = 0;
	__u8 words = 0;
	bpf_probe_read_kernel(&seq, sizeof seq, tcp + 4);
	bpf_probe_read_kernel(&words, sizeof words, tcp + 12);
	seq = __builtin_bswap32(seq);
	__u32 headers = tcp - data + (words >> 4) * 4;
	__u32 length = BPF_CORE_READ(skb, len);
	if (length <= headers)
		return 0;
	__u32 payload = length - headers, skip = 0;
	struct seen_to *to = base == WIRE ? &flow->wire : &flow->queued;
	if (!to->begun) {
		to->begun = 1;
		to->next_seq = seq;
	}
	__s32 behind = to->next_seq - seq;
	/* No retransmission lies so far back: a later connection of the same ports and address of socket. */
	if (behind > BEHIND_MAX)
		behind = 0;
	if (behind > 0)
		skip = (__u32)behind < payload ? (__u32)behind : payload;
	if (skip && base == WIRE) {
		__u32 linear = length - BPF_CORE_READ(skb, data_len);
		linear = linear > headers ? linear - headers : 0;
		add(WIRE_AGAIN, skip);
		add(WIRE_AGAIN_LINEAR, linear < skip ? linear : skip);
	}
	if (skip == payload)
		return 0;
	to->next_seq = seq + payload;
	if (base == WIRE) {
		__sync_fetch_and_add(&flow->wire_bytes, payload - skip);
		add(WIRE_PACKETS, 1);
	}
	return walk(address_of(skb), base, headers, skip);
}

/* Before the kernel makes a packet fit the device: what the protocol queued. */
SEC("tp_btf/net_dev_queue")
int BPF_PROG(queued, const struct sk_buff *skb)
{
	return stage(skb, QUEUED);
}

/* After that, at the driver's door: what the device is given. */
SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(transmit, const struct sk_buff *skb)
{
	return stage(skb, WIRE);
}

SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(receive, const struct sk_buff *skb, int length)
{
	struct settings *now = configured();
	if (!now || !now->live || length <= 0)
		return 0;
	struct seen_key key = { .skb = (__u64)(unsigned long)skb };
	unsigned char *tcp = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, transport_header);
	if (now->port) {
		/* Another server may have the port elsewhere: what it sends here did not leave from here. */
		__be16 ends[2] = {};
		bpf_probe_read_kernel(&ends, sizeof ends, tcp);
		__u32 both = (__u32)__builtin_bswap16(ends[0]) << 16 | __builtin_bswap16(ends[1]);
		if (ends[0] != __builtin_bswap16(now->port) || !bpf_map_lookup_elem(&peers, &both))
			return 0;
	} else {
		/* The far end of a transfer; or, where bytes are ingested, whoever is measured. */
		__u32 role = role_of_current();
		if (role != ROLE_RECEIVER && (role == ROLE_NONE || !now->window))
			return 0;
	}
	add(RECEIVED_BYTES, length);
	add(RECEIVED_VISITS, 1);
	/* A packet that is read in parts is visited for each, and may have grown at its end meanwhile. A
	 * TCP packet is told from a later one at the same address by its sequence number, which begins its
	 * control block; of a Unix stream nothing was taken at the first visit. */
	if (BPF_CORE_READ(skb, transport_header) == (__u16)~0U) {
		struct unix_skb_parms *parms = (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
		if (!BPF_CORE_READ(parms, consumed))
			bpf_map_delete_elem(&seen, &key);
	} else {
		bpf_probe_read_kernel(&key.seq, sizeof key.seq,
				      (void *)skb + bpf_core_field_offset(struct sk_buff, cb));
	}
	__u32 whole = BPF_CORE_READ(skb, len);
	__u32 *known = bpf_map_lookup_elem(&seen, &key);
	__u32 skip = known ? *known : 0;
	if (whole <= skip)
		return 0;
	bpf_map_update_elem(&seen, &key, &whole, BPF_ANY);
	walk(address_of(skb), RECEIVED, 0, skip);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(sent, struct sock *sk, int length)
{
	if (!live() || length <= 0)
		return 0;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == 1 /* AF_UNIX */) {
		if (in_window() && role_of_current() != ROLE_NONE)
			add(SENT_UNIX_BYTES, length);
		return 0;
	}
	struct flow *flow = flow_of(sk);
	if (flow)
		__sync_fetch_and_add(&flow->sent_bytes, length);
	return 0;
}

/* MSG_SPLICE_PAGES and MSG_ZEROCOPY of include/linux/socket.h. From 6.5 kernel TLS sets the first for
 * plain writes, too, so this tells ways of sending apart and proves none. */
SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(tcp_send, const struct sock *sk, const struct msghdr *message)
{
	if (!flow_of(sk))
		return 0;
	unsigned int flags = BPF_CORE_READ(message, msg_flags);
	add(flags & 0x8000000 ? TCP_SENDS_SPLICE : flags & 0x4000000 ? TCP_SENDS_ZEROCOPY : TCP_SENDS_PLAIN, 1);
	return 0;
}

static __noinline int learn(unsigned long mapping, __u32 how)
{
	__u64 key = mapping;
	if (mapping && bpf_map_update_elem(&mappings, &key, &how, BPF_NOEXIST) && how != LEARNT_BY_FILE)
		bpf_map_update_elem(&mappings, &key, &how, BPF_ANY);
	return 0;
}

static __always_inline bool learning(void)
{
	struct settings *now = configured();
	return now && now->learner && now->learner == (__u32)bpf_get_current_pid_tgid();
}

SEC("tp_btf/mm_filemap_get_pages")
int BPF_PROG(learn_read, struct address_space *mapping)
{
	return learning() ? learn((unsigned long)mapping, LEARNT_BY_READ) : 0;
}

SEC("tp_btf/mm_filemap_map_pages")
int BPF_PROG(learn_touch, struct address_space *mapping)
{
	return learning() ? learn((unsigned long)mapping, LEARNT_BY_TOUCH) : 0;
}

/* Watching, nobody named the files: what the server's own reads and faults bring in, and no writes. */
static __noinline bool read_by_server(struct page *page)
{
	__u32 thread = bpf_get_current_pid_tgid(), role = role_of_current();
	if (role == ROLE_NONE || (BPF_CORE_READ(page, mapping, host, i_mode) & 0170000) != 0100000)
		return 0;
	struct move_key *call = bpf_map_lookup_elem(&pending, &thread);
	return !call || call->from == END_FILE || call->from == END_LOG;
}

SEC("tp_btf/mm_filemap_add_to_page_cache")
int BPF_PROG(cache_fill, struct page *page)
{
	__u64 mapping = (unsigned long)BPF_CORE_READ(page, mapping);
	if (live() && (watching() ? read_by_server(page) : bpf_map_lookup_elem(&mappings, &mapping) != 0))
		add(CACHE_FILL_BYTES, pages_of(page) * 4096);
	return 0;
}

SEC("tp_btf/mm_filemap_delete_from_page_cache")
int BPF_PROG(cache_evict, struct page *page)
{
	__u64 mapping = (unsigned long)BPF_CORE_READ(page, mapping);
	if (live() && bpf_map_lookup_elem(&mappings, &mapping))
		add(CACHE_EVICT_BYTES, pages_of(page) * 4096);
	return 0;
}

static __always_inline int issued(struct request *request, __u32 device)
{
	__u32 operation = BPF_CORE_READ(request, cmd_flags) & 0xff;
	if (!live() || operation > 1 /* neither REQ_OP_READ nor REQ_OP_WRITE */)
		return 0;
	if (operation) {
		add(DEVICE_WRITE_BYTES, BPF_CORE_READ(request, __data_len));
		return 0;
	}
	struct move fresh = {}, *known = bpf_map_lookup_elem(&devices, &device);
	if (!known) {
		bpf_map_update_elem(&devices, &device, &fresh, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&devices, &device);
	}
	if (!known)
		return 0;
	__sync_fetch_and_add(&known->calls, 1);
	__sync_fetch_and_add(&known->bytes, BPF_CORE_READ(request, __data_len));
	return 0;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(device_now, struct request *request)
{
	return issued(request, BPF_CORE_READ(request, part, bd_dev));
}

/* Until 5.10 the queue came first. */
SEC("tp_btf/block_rq_issue")
int BPF_PROG(device_before, void *queue, struct request *request)
{
	struct gendisk___before *disk = BPF_CORE_READ((struct request___before *)request, rq_disk);
	return issued(request, BPF_CORE_READ(disk, major) << 20 | BPF_CORE_READ(disk, first_minor));
}

SEC("tp_btf/sched_switch")
int BPF_PROG(switch_now, bool preempt, struct task_struct *from, struct task_struct *to, unsigned int state)
{
	return switched(from, !preempt && state);
}

/* Until 5.17 the state has to be read from the task, whose field was renamed in 5.14. */
SEC("tp_btf/sched_switch")
int BPF_PROG(switch_before, bool preempt, struct task_struct *from)
{
	return switched(from, !preempt && state_of(from));
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(fault_user)
{
	if (in_window() && role_of_current() == ROLE_SENDER)
		add(FAULTS_USER, 1);
	return 0;
}

SEC("tp_btf/page_fault_kernel")
int BPF_PROG(fault_kernel)
{
	if (in_window() && role_of_current() == ROLE_SENDER)
		add(FAULTS_KERNEL, 1);
	return 0;
}

static __always_inline int submitted(void)
{
	__u32 role = in_window() ? role_of_current() : ROLE_NONE;
	if (role != ROLE_NONE && role != ROLE_RECEIVER)
		add(URING_SUBMITTED, 1);
	return 0;
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(submit_now)
{
	return submitted();
}

/* Until 6.3 under another name. */
SEC("tp_btf/io_uring_submit_sqe")
int BPF_PROG(submit_before)
{
	return submitted();
}

SEC("tp_btf/io_uring_queue_async_work")
int BPF_PROG(punted)
{
	if (in_window() && role_of_current() != ROLE_NONE)
		add(URING_PUNTED, 1);
	return 0;
}

/* The completion is read through its type: a kernel that has another third argument refuses this. */
SEC("tp_btf/io_uring_complete")
int BPF_PROG(complete_now, void *ring, struct io_kiocb *request, struct io_uring_cqe *cqe)
{
	return completed(request, cqe->res);
}

/* From 5.18 until 6.14 the result is an argument of five or more; with fewer this is refused, so that
 * older forms, which have no request, are a gap and no nonsense. */
SEC("tp_btf/io_uring_complete")
int BPF_PROG(complete_before, void *ring, struct io_kiocb *request, __u64 user_data, int result,
	     unsigned int flags)
{
	asm volatile("" ::"r"(flags));
	return completed(request, result);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(enter, struct pt_regs *regs, long id)
{
	struct settings *now = configured();
	if (!now || id < 0)
		return 0;
	if (id == NR_LSEEK && PARM2(regs) == MARKER)
		return marked(now, (int)PARM1(regs), learning());
	if (!now->window)
		return 0;
	__u32 role = role_of_current();
	if (role == ROLE_NONE)
		return 0;
	struct sys_key key = { .role = role, .id = id };
	__u64 none = 0, *known = bpf_map_lookup_elem(&syscalls, &key);
	if (!known) {
		/* Two threads may make their first call at once: only one of them adds the entry. */
		bpf_map_update_elem(&syscalls, &key, &none, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&syscalls, &key);
	}
	if (known)
		__sync_fetch_and_add(known, 1);
	else
		add(LOST, 1);
	if (role == ROLE_SENDER)
		begin_move(regs, id);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(leave, struct pt_regs *regs, long result)
{
	if (!in_window())
		return 0;
	__u32 thread = bpf_get_current_pid_tgid();
	struct move_key *key = bpf_map_lookup_elem(&pending, &thread);
	if (!key)
		return 0;
	struct move_key copy = *key;
	bpf_map_delete_elem(&pending, &thread);
	moved(&copy, result);
	return 0;
}
