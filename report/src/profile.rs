//! On what does a sender's CPU time go, by the kernel's own names?
//!
//! A sample of the CPU clock is a stack of kernel functions, and belongs to the [`Group`] of its
//! innermost function that has one; what a page fault makes the page cache and the allocator do belongs
//! to the fault. Names are those of kernels 5.10 to 7.x; one that is unknown takes its caller's group.

mod names;

use names::NAMES;

/// What a sample was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Copying bytes.
    Copy,
    /// Sockets, TCP/IP, the loopback device.
    TcpIp,
    /// Finding pages of files, and handing them on by splice.
    PageCache,
    /// Page faults, and everything that they make others do.
    PageFault,
    /// Allocating, freeing and accounting memory.
    Memory,
    /// Switching and waking.
    Scheduler,
    /// Entering the kernel and leaving it.
    EntryExit,
    /// io_uring's own work.
    IoUring,
    /// File systems' direct I/O, the block layer and its drivers.
    Block,
    /// Anything else in the kernel: timers, interrupts, locks of no known owner.
    Other,
    /// The process itself.
    User,
}

/// The frame that stands for the process itself in a stack.
pub const USER: &str = "user";

impl Group {
    /// All, in the order of bars.
    pub const ALL: [Group; 11] = [
        Group::Copy,
        Group::TcpIp,
        Group::PageCache,
        Group::PageFault,
        Group::Memory,
        Group::Scheduler,
        Group::EntryExit,
        Group::IoUring,
        Group::Block,
        Group::Other,
        Group::User,
    ];

    /// The name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Group::Copy => "copy",
            Group::TcpIp => "tcp-ip",
            Group::PageCache => "page-cache",
            Group::PageFault => "page-fault",
            Group::Memory => "memory",
            Group::Scheduler => "scheduler",
            Group::EntryExit => "entry-exit",
            Group::IoUring => "io-uring",
            Group::Block => "block",
            Group::Other => "other",
            Group::User => USER,
        }
    }

    /// The name on pages.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Group::TcpIp => "TCP/IP",
            Group::PageCache => "page cache",
            Group::PageFault => "page fault",
            Group::EntryExit => "entry/exit",
            Group::IoUring => "io_uring",
            other => other.name(),
        }
    }

    /// The group of a function; nothing where its caller decides.
    #[must_use]
    pub fn of_frame(frame: &str) -> Option<Group> {
        if frame == USER {
            return Some(Group::User);
        }
        // The compiler's copies of a function are that function; underscores say how, not what.
        let name = frame.split('.').next().unwrap_or(frame).trim_start_matches('_');
        let matching = NAMES.iter().flat_map(|(group, prefixes)| {
            let own = prefixes.split_whitespace().filter(|prefix| name.starts_with(prefix));
            own.map(|prefix| (prefix.len(), *group))
        });
        matching.max_by_key(|(length, _)| *length).map(|(_, group)| group)
    }

    /// The group of a stack, innermost function first.
    pub fn of_stack<'a>(frames: impl DoubleEndedIterator<Item = &'a str> + Clone) -> Group {
        let found = frames.clone().find_map(Group::of_frame).unwrap_or(Group::Other);
        let faulting = frames.into_iter().any(is_fault);
        match found {
            Group::PageCache | Group::Memory | Group::Block if faulting => Group::PageFault,
            group => group,
        }
    }
}

fn is_fault(frame: &str) -> bool {
    ["handle_mm_fault", "exc_page_fault", "do_user_addr_fault", "do_page_fault"]
        .contains(&frame.trim_start_matches('_'))
}

/// The stacks of a folded text (`outer;inner 12`), outermost function first, with their samples. What
/// does not read as one is left out.
pub fn stacks(folded: &str) -> impl Iterator<Item = (Vec<&str>, u64)> {
    folded.lines().filter_map(|line| {
        let (stack, count) = line.rsplit_once(' ')?;
        Some((stack.split(';').collect(), count.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_real_kernel_have_their_groups() {
        let known = [
            (
                Group::Copy,
                "_copy_to_iter _copy_from_iter rep_movs_alternative copy_page_to_iter copy_folio_to_iter skb_copy_datagram_iter __arch_copy_to_user",
            ),
            (
                Group::TcpIp,
                "tcp_sendmsg_locked __tcp_transmit_skb ip_finish_output2 __ip_queue_xmit __dev_queue_xmit net_rx_action process_backlog loopback_xmit sock_sendmsg skb_release_data __alloc_skb release_sock lock_sock_nested __netif_receive_skb_core.constprop.0 unix_stream_sendmsg __sys_sendto __inet_lookup_established nf_hook_slow",
            ),
            (
                Group::PageCache,
                "filemap_get_pages filemap_read xas_load folio_mark_accessed page_cache_ra_unbounded splice_to_socket filemap_splice_read page_cache_pipe_buf_confirm generic_file_read_iter shmem_file_read_iter",
            ),
            (
                Group::PageFault,
                "do_user_addr_fault handle_mm_fault filemap_map_pages next_uptodate_folio set_pte_range asm_exc_page_fault lock_vma_under_rcu",
            ),
            (
                Group::Memory,
                "kmem_cache_alloc_node_noprof __alloc_pages_noprof __alloc_frozen_pages_noprof get_page_from_freelist free_unref_page __mod_memcg_lruvec_state kfree folio_put put_page __memcg_slab_post_alloc_hook",
            ),
            (
                Group::Scheduler,
                "schedule __schedule try_to_wake_up pick_next_task_fair finish_task_switch.isra.0 update_curr dequeue_task_fair select_task_rq_fair __wake_up_common io_schedule",
            ),
            (
                Group::EntryExit,
                "entry_SYSCALL_64_after_hwframe do_syscall_64 syscall_exit_to_user_mode entry_SYSRETQ_unsafe_stack x64_sys_call __x64_sys_sendto",
            ),
            (
                Group::IoUring,
                "io_submit_sqes io_issue_sqe io_read io_wq_worker __io_run_local_work",
            ),
            (
                Group::Block,
                "blk_mq_submit_bio submit_bio_noacct iomap_dio_rw __iomap_dio_rw virtqueue_add_split ext4_map_blocks nvme_queue_rq",
            ),
            (Group::Other, "asm_sysvec_apic_timer_interrupt"),
            (Group::User, "user"),
        ];
        for (group, names) in known {
            for name in names.split(' ') {
                assert_eq!(Group::of_frame(name), Some(group), "{name}");
            }
        }
        for name in ["_raw_spin_lock", "__local_bh_enable_ip", "rcu_read_unlock", "fput"] {
            assert_eq!(Group::of_frame(name), None, "{name}: its caller decides");
        }
    }

    #[test]
    fn the_innermost_known_function_decides() {
        let of = |folded: &str| Group::of_stack(folded.split(';').rev());
        assert_eq!(of("do_syscall_64;__sys_sendto;tcp_sendmsg;_copy_from_iter"), Group::Copy);
        assert_eq!(of("do_syscall_64;__sys_sendto;tcp_sendmsg;_raw_spin_lock_bh"), Group::TcpIp);
        assert_eq!(of("do_syscall_64;ksys_pread64;vfs_read"), Group::EntryExit);
        assert_eq!(of("nobody_knows"), Group::Other);
        assert_eq!(
            of("tcp_sendmsg;asm_sysvec_apic_timer_interrupt;tick_nohz_handler"),
            Group::Other
        );
        assert_eq!(of(USER), Group::User);
    }

    #[test]
    fn what_a_fault_makes_others_do_is_the_faults() {
        let of = |folded: &str| Group::of_stack(folded.split(';').rev());
        let fault = "tcp_sendmsg;_copy_from_iter;asm_exc_page_fault;exc_page_fault;handle_mm_fault";
        assert_eq!(of(&format!("{fault};filemap_fault;xas_load")), Group::PageFault);
        assert_eq!(of(&format!("{fault};alloc_anon_folio;clear_page_erms")), Group::PageFault);
        assert_eq!(of("vfs_read;filemap_read;xas_load"), Group::PageCache);
    }

    #[test]
    fn folded_text_is_read_and_nonsense_left_out() {
        let all: Vec<_> = stacks("a;b 3\nuser 1\nnonsense\nc x\n").collect();
        assert_eq!(all, [(vec!["a", "b"], 3), (vec!["user"], 1)]);
    }
}
