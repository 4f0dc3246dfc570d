/* What of the kernel's types does the ledger read?
 *
 * Only the fields that are read, found by CO-RE relocation in whatever kernel loads the object: order,
 * size and what lies between mean nothing here. Two shapes of one struct are two flavours (`___name`),
 * of which the one that the running kernel has is chosen at load time. */
#pragma once

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

/* Of enum bpf_map_type and of the update flags (include/uapi/linux/bpf.h). */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* x86-64: arguments of a system call lie in di, si, dx, r10, r8, r9. */
struct pt_regs {
	unsigned long di, si, dx, r10;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	__u16 i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct address_space {
	struct inode *host;
};

/* struct page as a kernel before 7.x has it, and after. */
struct page {
	struct address_space *mapping;
};
struct page___head {
	unsigned long compound_head;
};
struct page___info {
	unsigned long compound_info;
};

/* How many pages a folio has: by one name since 6.15 and another before, and before folios in the
 * second page of a compound page. */
struct folio___now {
	unsigned int _nr_pages;
};
struct folio___before {
	unsigned int _folio_nr_pages;
};
struct page___number {
	unsigned int compound_nr;
};
enum pageflags {
	PG_head,
};

struct sock_common {
	__u16 skc_family, skc_num;
	__be16 skc_dport;
};
struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
};
struct socket {
	struct sock *sk;
};

struct file {
	struct inode *f_inode;
	struct address_space *f_mapping;
	unsigned int f_flags;
	void *private_data;
};
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};
struct task_struct {
	unsigned int flags;
	__s32 pid, tgid;
	char comm[16];
	struct files_struct *files;
};
struct task_struct___now {
	unsigned int __state;
};
struct task_struct___before {
	long state;
};

struct sk_buff;
/* A pointer, a length and an offset, as raw words: the names differ (bv_page until 6.8, netmem after). */
struct skb_frag {
	unsigned long memory;
};
struct skb_shared_info {
	__u8 nr_frags;
	struct sk_buff *frag_list;
	struct skb_frag frags[17];
};
struct sk_buff {
	struct sk_buff *next;
	struct sock *sk;
	unsigned int len, data_len, end;
	__u16 transport_header;
	unsigned char *head, *data;
	char cb[48];
};
struct unix_skb_parms {
	__u32 consumed;
};

struct msghdr {
	unsigned int msg_flags;
};

struct io_kiocb {
	struct file *file;
	__u8 opcode;
};
struct io_uring_cqe {
	__s32 res;
};

struct block_device {
	__u32 bd_dev;
};
struct request {
	struct block_device *part;
	unsigned int __data_len, cmd_flags;
};
/* Until 5.10 a partition was another struct, and the disk knew its number. */
struct gendisk___before {
	int major, first_minor;
};
struct request___before {
	struct gendisk___before *rq_disk;
};

#pragma clang attribute pop
