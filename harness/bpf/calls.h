/* Which calls move bytes, from what to what, and on whose behalf? */
#pragma once
#include "maps.h"

/* What a descriptor leads to. harness/src/ledger/moves.rs has the same list. */
enum end {
	END_UNKNOWN,
	END_USER,	/* memory of the caller */
	END_LOG,
	END_FILE,	/* another regular file */
	END_PIPE,
	END_SOCKET,
	END_OTHER,	/* a device, a directory, … */
};

enum { MOVE_DIRECT = 1, MOVE_ZEROCOPY = 2, MOVE_TLS = 4 };
enum { LEARNT_BY_FILE = 1, LEARNT_BY_READ = 2, LEARNT_BY_TOUCH = 3 };

/* Numbers of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl). */
enum {
	NR_READ = 0, NR_WRITE = 1, NR_LSEEK = 8, NR_PREAD64 = 17, NR_PWRITE64 = 18, NR_READV = 19,
	NR_WRITEV = 20, NR_SENDFILE = 40, NR_SENDTO = 44, NR_RECVFROM = 45,
	NR_SENDMSG = 46, NR_RECVMSG = 47, NR_SPLICE = 275, NR_TEE = 276,
	NR_VMSPLICE = 278, NR_PREADV = 295, NR_PWRITEV = 296, NR_COPY_FILE_RANGE = 326, NR_PREADV2 = 327,
	NR_PWRITEV2 = 328,
};

/* io_uring's operations (include/uapi/linux/io_uring.h); as calls they are numbered from here. */
#define CALL_URING 1024
enum {
	OP_READV = 1, OP_WRITEV = 2, OP_READ_FIXED = 4, OP_WRITE_FIXED = 5, OP_SENDMSG = 9,
	OP_RECVMSG = 10, OP_READ = 22, OP_WRITE = 23, OP_SEND = 26, OP_RECV = 27, OP_SPLICE = 30, OP_TEE = 33, OP_SEND_ZC = 47, OP_SENDMSG_ZC = 48,
};

#define PF_IO_WORKER 0x10
#define O_DIRECT 040000
#define MSG_ZEROCOPY 0x4000000

/* The file position of the calls by which a sender opens and closes its window, and by which the parent
 * names a file of the log: lseek(-1 | fd, MARKER, SEEK_SET). harness/src/trial/worker.rs makes them. */
#define MARKER 0x7a636c61

#define PARM1(regs) BPF_CORE_READ(regs, di)
#define PARM2(regs) BPF_CORE_READ(regs, si)
#define PARM3(regs) BPF_CORE_READ(regs, dx)
#define PARM4(regs) BPF_CORE_READ(regs, r10)

static __noinline __u32 role_of(struct task_struct *task)
{
	__u32 process = BPF_CORE_READ(task, tgid);
	__u32 *role = bpf_map_lookup_elem(&tasks, &process);
	if (!role)
		return ROLE_NONE;
	if (*role != ROLE_SENDER)
		return *role;
	if (!(BPF_CORE_READ(task, flags) & PF_IO_WORKER))
		return ROLE_SENDER;
	/* Its polling thread has the flag, too; io_uring names it iou-sqp-<pid>. */
	__u64 name = 0;
	bpf_probe_read_kernel(&name, sizeof name, (void *)task + bpf_core_field_offset(struct task_struct, comm));
	if ((name & 0xffffffffffffff) == 0x7071732d756f69 /* "iou-sqp" */)
		return ROLE_POLLER;
	return ROLE_WORKER;
}

static __always_inline __u32 role_of_current(void)
{
	return role_of((struct task_struct *)bpf_get_current_task());
}

static __noinline int state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(struct task_struct___now, __state))
		return BPF_CORE_READ((struct task_struct___now *)task, __state) != 0;
	return BPF_CORE_READ((struct task_struct___before *)task, state) != 0;
}

static __noinline int switched(struct task_struct *from, int voluntary)
{
	if (!in_window())
		return 0;
	__u32 role = role_of(from);
	if (role != ROLE_NONE && role <= ROLE_POLLER)
		add(SWITCHES + role * 2 + (voluntary ? 0 : 1), 1);
	return 0;
}

static __noinline struct file *file_of(int fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0;
	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	struct file **slots = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof file, slots + fd);
	return file;
}

/* What a file is, and whether its reads go past the page cache. */
static __noinline __u32 end_of(struct file *file, __u8 *flags)
{
	if (!file)
		return END_UNKNOWN;
	__u16 mode = BPF_CORE_READ(file, f_inode, i_mode) & 0170000;
	if (mode == 0140000) {
		struct settings *now = configured();
		struct socket *socket = BPF_CORE_READ(file, private_data);
		struct sock *sk = BPF_CORE_READ(socket, sk);
		if (now && now->port && (BPF_CORE_READ(sk, __sk_common.skc_num) != now->port || !is_tcp(sk)))
			return END_OTHER;
		return END_SOCKET;
	}
	if (mode == 0010000)
		return END_PIPE;
	if (mode != 0100000)
		return END_OTHER;
	if (flags && BPF_CORE_READ(file, f_flags) & O_DIRECT)
		*flags |= MOVE_DIRECT;
	__u64 mapping = (unsigned long)BPF_CORE_READ(file, f_mapping);
	return bpf_map_lookup_elem(&mappings, &mapping) ? END_LOG : END_FILE;
}

static __noinline int moved(struct move_key *key, long result)
{
	if (result <= 0 || !key)
		return 0;
	struct move fresh = {}, *known = bpf_map_lookup_elem(&moves, key);
	if (!known) {
		bpf_map_update_elem(&moves, key, &fresh, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&moves, key);
	}
	if (!known) {
		add(LOST, 1);
		return 0;
	}
	__sync_fetch_and_add(&known->calls, 1);
	__sync_fetch_and_add(&known->bytes, result);
	return 0;
}

/* Of a plain send to the watched port: do the bytes begin with the header of a TLS record? Its kind is
 * 20 to 23 and its version 3.0 to 3.4; one in 800,000 of other beginnings looks like that. */
static __noinline __u8 tls_of(struct pt_regs *regs, long id)
{
	unsigned long start = PARM2(regs), vector = start;
	__u8 head[3] = {};
	if (!watching())
		return 0;
	if (id == NR_SENDMSG)
		bpf_probe_read_user(&vector, sizeof vector, (void *)start + 16 /* msg_iov */);
	if (id == NR_SENDMSG || id == NR_WRITEV)
		bpf_probe_read_user(&start, sizeof start, (void *)vector);
	if (bpf_probe_read_user(head, sizeof head, (void *)start))
		return 0;
	return head[0] >= 20 && head[0] <= 23 && head[1] == 3 && head[2] <= 4 ? MOVE_TLS : 0;
}

/* Remembers a call that moves bytes until it returns how many. */
static __noinline int begin_move(struct pt_regs *regs, long id)
{
	struct move_key key = { .call = id };
	int first = PARM1(regs);
	switch (id) {
	case NR_READ: case NR_PREAD64: case NR_READV: case NR_PREADV: case NR_PREADV2:
		key.from = end_of(file_of(first), &key.flags);
		key.to = END_USER;
		break;
	case NR_RECVFROM: case NR_RECVMSG:
		/* A server that is watched is asked what it sends. */
		if (watching())
			return 0;
		key.from = end_of(file_of(first), 0);
		key.to = END_USER;
		break;
	case NR_SENDTO: case NR_SENDMSG:
		if ((id == NR_SENDTO ? PARM4(regs) : PARM3(regs)) & MSG_ZEROCOPY)
			key.flags |= MOVE_ZEROCOPY;
		key.from = END_USER;
		key.to = end_of(file_of(first), 0);
		break;
	case NR_WRITE: case NR_PWRITE64: case NR_WRITEV: case NR_PWRITEV: case NR_PWRITEV2: case NR_VMSPLICE:
		key.from = END_USER;
		key.to = end_of(file_of(first), 0);
		break;
	case NR_SENDFILE:
		key.from = end_of(file_of(PARM2(regs)), &key.flags);
		key.to = end_of(file_of(first), 0);
		break;
	case NR_SPLICE: case NR_COPY_FILE_RANGE:
		key.from = end_of(file_of(first), &key.flags);
		key.to = end_of(file_of(PARM3(regs)), 0);
		break;
	case NR_TEE:
		key.from = key.to = END_PIPE;
		break;
	default:
		return 0;
	}
	if (key.from == END_USER && key.to == END_SOCKET)
		key.flags |= tls_of(regs, id);
	__u32 thread = bpf_get_current_pid_tgid();
	bpf_map_update_elem(&pending, &thread, &key, BPF_ANY);
	return 0;
}

/* Counts what an io_uring request moved. Requests complete in the sender, its worker or its poller. */
static __noinline int completed(struct io_kiocb *request, int result)
{
	if (!request || result <= 0 || !in_window())
		return 0;
	__u32 role = role_of_current();
	if (role == ROLE_NONE || role == ROLE_RECEIVER)
		return 0;
	__u8 op = BPF_CORE_READ(request, opcode);
	struct move_key key = { .call = CALL_URING + op };
	struct file *file = BPF_CORE_READ(request, file);
	switch (op) {
	case OP_READ: case OP_READV: case OP_READ_FIXED:
		key.from = end_of(file, &key.flags);
		key.to = END_USER;
		break;
	case OP_RECV: case OP_RECVMSG:
		if (watching())
			return 0;
		key.from = end_of(file, 0);
		key.to = END_USER;
		break;
	case OP_SEND_ZC: case OP_SENDMSG_ZC:
		key.flags |= MOVE_ZEROCOPY;
		key.from = END_USER;
		key.to = end_of(file, 0);
		break;
	case OP_SEND: case OP_SENDMSG: case OP_WRITE: case OP_WRITEV: case OP_WRITE_FIXED:
		key.from = END_USER;
		key.to = end_of(file, 0);
		break;
	case OP_SPLICE: case OP_TEE:
		key.to = end_of(file, 0);
		break;
	default:
		return 0;
	}
	return moved(&key, result);
}

static int learn(unsigned long mapping, __u32 how);

/* A marker call: of the learner it names a file of the log, of the sender it opens or closes the window. */
static __noinline int marked(struct settings *now, int fd, bool learner)
{
	if (learner) {
		struct file *file = file_of(fd);
		return file ? learn((unsigned long)BPF_CORE_READ(file, f_mapping), LEARNT_BY_FILE) : 0;
	}
	if (now && now->armed && !now->port && fd == -1 && role_of_current() == ROLE_SENDER) {
		now->live = 1;
		now->window = !now->window;
		add(WINDOWS, 1);
	}
	return 0;
}
