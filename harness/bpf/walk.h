/* Whose memory do the bytes of a packet lie in?
 *
 * A packet's payload lies in its linear part, in fragments (each a piece of a page), and in packets
 * chained to it. A page that belongs to a file has an address_space; the log's own are known by
 * calibration, so a page of the log is told from any other page of any other file. */
#pragma once
#include "maps.h"

#define FRAGS_MAX 17
#define CHAIN_MAX 8

static __noinline struct page *head_of(struct page *page)
{
	unsigned long info;
	if (bpf_core_field_exists(struct page___head, compound_head))
		info = BPF_CORE_READ((struct page___head *)page, compound_head);
	else
		info = BPF_CORE_READ((struct page___info *)page, compound_info);
	if (!(info & 1))
		return page;
	/* Since 7.x the word of a tail page may hold a mask for its address instead of the head's. */
	if ((long)info > -(1L << 32))
		return (struct page *)((unsigned long)page & info);
	return (struct page *)(info - 1);
}

/* The class of the memory that a fragment's first word points to: an offset from WIRE_LOG. */
static __noinline int class_of(unsigned long memory)
{
	if (memory & 1) /* netmem: a device's own memory has no struct page */
		return CLASS_DEVICE;
	struct page *page = head_of((struct page *)memory);
	__u64 mapping = (unsigned long)BPF_CORE_READ(page, mapping);
	/* The low bits of page->mapping: 1 anonymous, 2 movable, 3 KSM (include/linux/page-flags.h). */
	if (mapping & 1)
		return CLASS_ANON;
	if (!mapping || mapping & 2)
		return CLASS_PRIVATE;
	if (bpf_map_lookup_elem(&mappings, &mapping))
		return CLASS_LOG;
	return CLASS_FILE;
}

/* Bytes by file, for a server whose files nobody named beforehand. */
static __noinline int count_file(unsigned long memory, __u32 bytes)
{
	struct page *page = head_of((struct page *)memory);
	struct address_space *mapping = BPF_CORE_READ(page, mapping);
	struct file_key key = {
		.inode = BPF_CORE_READ(mapping, host, i_ino),
		.device = BPF_CORE_READ(mapping, host, i_sb, s_dev),
	};
	__u64 none = 0, *known = bpf_map_lookup_elem(&files, &key);
	if (!known) {
		/* Two CPUs may see a file's first packet at once: only one of them adds the entry. */
		bpf_map_update_elem(&files, &key, &none, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&files, &key);
	}
	if (known)
		__sync_fetch_and_add(known, bytes);
	else
		add(LOST, 1);
	return 0;
}

/* Functions without `static` are verified by themselves, once, whatever their arguments are. Without that
 * the verifier of Linux 6.1 and before follows every path through every fragment, and finds no end. What
 * such a function is given has to be a number, so packets are handed on as their addresses. */
static __always_inline __u64 address_of(const void *pointer)
{
	__u64 address = 0;
	bpf_probe_read_kernel(&address, sizeof address, &pointer);
	return address;
}

/* Counts one fragment without the first `skip` bytes; how many bytes it holds. */
__noinline __u32 walk_frag(__u64 at, __u32 base, __u32 skip)
{
	struct {
		unsigned long memory;
		__u32 length, offset;
	} frag;
	if (bpf_probe_read_kernel(&frag, sizeof frag, (void *)at))
		return 0;
	if (skip >= frag.length)
		return frag.length;
	int class = class_of(frag.memory);
	add(base + class, frag.length - skip);
	if (base == WIRE && watching() && (class == CLASS_FILE || class == CLASS_LOG))
		count_file(frag.memory, frag.length - skip);
	return frag.length;
}

/* Counts the fragments of one packet behind the first `skip` bytes of them; what they hold in all. */
__noinline __u32 walk_frags(__u64 packet, __u32 base, __u32 skip)
{
	const struct sk_buff *skb = (void *)packet;
	void *shared = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end);
	__u64 frags = (__u64)shared + bpf_core_field_offset(struct skb_shared_info, frags);
	__u8 count = BPF_CORE_READ((struct skb_shared_info *)shared, nr_frags);
	__u32 sum = 0;
	for (int i = 0; i < FRAGS_MAX; i++) {
		if (i >= count)
			break;
		__u32 length = walk_frag(frags + i * 16, base, skip);
		sum += length;
		skip -= skip < length ? skip : length;
	}
	return sum;
}

/* Counts the payload of one packet by class, without the first `skip` bytes of payload. `headers` are
 * the bytes of protocol headers at its front. */
__noinline int walk(__u64 packet, __u32 base, __u32 headers, __u32 skip)
{
	const struct sk_buff *skb = (void *)packet;
	__u32 length = BPF_CORE_READ(skb, len), paged = BPF_CORE_READ(skb, data_len);
	__u32 linear = length - paged;
	linear = linear > headers ? linear - headers : 0;
	__u32 left = length > headers ? length - headers : 0;
	__u32 old = skip < linear ? skip : linear;
	add(base + CLASS_LINEAR, linear - old);
	skip -= old;
	__u32 seen = linear + walk_frags(packet, base, skip);
	skip = skip > seen - linear ? skip - (seen - linear) : 0;
	if (seen >= left)
		return 0;
	/* What is not in fragments is in packets chained to this one. */
	void *shared = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end);
	struct sk_buff *next = BPF_CORE_READ((struct skb_shared_info *)shared, frag_list);
	for (int i = 0; i < CHAIN_MAX; i++) {
		if (!next)
			break;
		__u32 own = BPF_CORE_READ(next, len) - BPF_CORE_READ(next, data_len);
		old = skip < own ? skip : own;
		add(base + CLASS_LINEAR, own - old);
		skip -= old;
		__u32 paged_bytes = walk_frags((__u64)next, base, skip);
		skip = skip > paged_bytes ? skip - paged_bytes : 0;
		seen += own + paged_bytes;
		next = BPF_CORE_READ(next, next);
	}
	if (seen < left)
		add(base + CLASS_UNWALKED, left - seen);
	return 0;
}

/* Pages of the folio (or compound page) that starts at this page. */
static __noinline __u64 pages_of(void *page)
{
	unsigned long flags = 0;
	bpf_probe_read_kernel(&flags, sizeof flags, page); /* the first word of struct page in every kernel */
	if (!(flags >> bpf_core_enum_value(enum pageflags, PG_head) & 1))
		return 1;
	if (bpf_core_field_exists(struct folio___now, _nr_pages))
		return BPF_CORE_READ((struct folio___now *)page, _nr_pages);
	if (bpf_core_field_exists(struct folio___before, _folio_nr_pages))
		return BPF_CORE_READ((struct folio___before *)page, _folio_nr_pages);
	if (bpf_core_field_exists(struct page___number, compound_nr))
		return BPF_CORE_READ((struct page___number *)(page + bpf_core_type_size(struct page)), compound_nr);
	return 1;
}
