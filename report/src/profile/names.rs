//! Which prefix of a kernel function's name tells which group?
//!
//! The longest prefix wins, so the order does not matter. Leading underscores are not part of a name.

use super::Group;

/// Prefixes by group, parted by blanks.
pub(super) const NAMES: [(Group, &str); 10] = [
    (
        Group::Copy,
        "copy_to_iter copy_from_iter copy_page_to_iter copy_page_from_iter copy_folio_to_iter \
         copy_folio_from_iter rep_movs_alternative copy_user_ copy_to_user copy_from_user \
         raw_copy_ copy_mc copy_page memcpy pi_memcpy memmove arch_copy_ csum_partial_copy \
         csum_and_copy skb_copy_datagram skb_copy_bits skb_copy_and_csum simple_copy_to_iter \
         copy_highpage copy_splice_read fault_in_readable",
    ),
    (
        Group::TcpIp,
        "tcp_ tcpv inet_ inet6_ ip_ ip6_ ipv4_ ipv6_ ip_queue_xmit sock_ sockfd_ skb_ sk_ \
         dev_ netif_ net_rx net_tx netdev_ napi_ process_backlog loopback_ neigh_ nf_ nft_ \
         sys_send sys_recv unix_ import_ubuf move_addr_to qdisc_ sch_direct_xmit \
         validate_xmit dst_ fib_ ipt_ bbr_ bictcp cubictcp lock_sock release_sock alloc_skb \
         kfree_skb consume_skb pskb_ enqueue_to_backlog rps_ \
         eth_ csum_partial msg_zerocopy zerocopy_ xmit_ veth_ harmonize_features \
         sendmsg recvmsg security_sock apparmor_sock aa_sk_ aa_sock bpf_skops quick_acks \
         ",
    ),
    (
        Group::PageCache,
        "filemap_ generic_file_read generic_file_buffered xas_ xa_ folio_ page_cache_ \
         mapping_ mark_page_accessed workingset_ read_pages mpage_ ext4_file_read ext4_mpage \
         ext4_readahead ext4_file_splice xfs_file_read xfs_file_buffered xfs_file_splice \
         btrfs_file_read shmem_file_read shmem_get_folio shmem_file_splice ovl_read \
         ovl_splice backing_file_ ondemand_readahead force_page_cache find_get_ pagecache_ \
         splice_ do_splice vfs_splice pipe_ direct_splice do_sendfile generic_file_splice \
         iter_file_splice anon_pipe_ touch_atime atime_needs_update generic_pipe_buf \
         add_to_pipe iomap_readahead",
    ),
    (
        Group::PageFault,
        "do_user_addr_fault handle_mm_fault exc_page_fault asm_exc_page_fault do_fault \
         do_read_fault do_shared_fault do_cow_fault filemap_map_ filemap_fault \
         next_uptodate_folio set_pte_range finish_fault do_page_fault lock_vma \
         do_anonymous_page do_wp_page wp_page_copy pte_offset pte_alloc mas_walk mtree_load \
         error_entry error_return lock_mm_and_find count_memcg_event_mm ext4_filemap_fault \
         do_translation_fault el0_da folio_add_file_rmap folio_add_new_anon vmf_ do_swap_page \
         fault_dirty",
    ),
    (
        Group::Memory,
        "kmem_cache kmalloc kfree kvfree kvmalloc alloc_pages alloc_frozen \
         get_page_from_freelist rmqueue free_unref free_page free_pages free_frozen \
         free_one_page free_pcppages free_the_page mod_memcg memcg_ mem_cgroup obj_cgroup \
         refill_obj_stock consume_obj_stock consume_stock try_charge refill_stock drain_stock \
         slab_ slub_ put_cpu_partial page_frag memset clear_page clear_user clear_huge \
         folio_alloc folio_put folios_put put_page get_page release_pages lru_add lru_gen \
         mod_lruvec mod_node_page_state mod_zone page_counter zone_watermark prep_new_page \
         cache_from_obj post_alloc_hook uncharge_ charge_memcg propagate_protected \
         cgroup_rstat vm_normal kasan bulk_remove alloc_slab new_slab unfreeze_partials",
    ),
    (
        Group::Scheduler,
        "schedule do_sched try_to_wake_up ttwu_ pick_next pick_task pick_eevdf update_curr \
         enqueue_task enqueue_entity dequeue_task dequeue_entit finish_task_switch \
         prepare_task_switch context_switch select_task_rq select_idle wake_up \
         autoremove_wake default_wake woken_wake update_load_avg update_rq_clock update_se \
         update_min_vruntime sched_ switch_to switch_mm resched_ reweight_ set_next_ \
         put_prev_ rq_ psi_ futex_ available_idle_cpu check_preempt wakeup_preempt poll_ \
         do_poll do_sys_poll wait_woken prepare_to_wait finish_wait io_schedule smp_call \
         native_smp_send x2apic_send_IPI send_call_function place_entity cpuacct_ yield_ \
         rt_mutex raw_spin_rq wait_for_completion complete swait queue_work wakeup \
         newidle_balance sched_balance load_balance task_tick avg_vruntime vruntime_ \
         cgroup_account_cputime",
    ),
    (
        Group::EntryExit,
        "entry_ do_syscall_64 x64_sys arm64_sys se_sys syscall_ exit_to_user \
         irqentry_exit_to_user el0_svc el0t_64_sync invoke_syscall do_el0_svc ret_to_user \
         ret_from_fork prepare_exit_to_user fpregs_ switch_fpu audit_ seccomp_ \
         secure_computing rseq_",
    ),
    (Group::IoUring, "io_ req_ create_io_thread iowq do_io_uring tctx_task_work kiocb_done"),
    (
        Group::Block,
        "blk_ submit_bio bio_ iomap_dio iomap_ dio_ nvme_ virtblk virtio_ virtqueue_ vring_ \
         vp_notify scsi_ sd_ dm_ loop_ ext4_ jbd2_ xfs_ btrfs_ bdev_ disk_ elv_ dd_ bfq_ \
         sbitmap_ wbt_ rq_qos_ iov_iter_get_pages iov_iter_extract gup_ get_user_pages \
         pin_user_pages unpin_user internal_get_user_pages ioc_ mq_ io_apic dma_ blkdev_ \
         finish_plug blkcg_ throtl_",
    ),
    (
        Group::Other,
        "asm_sysvec_ sysvec_ asm_common_interrupt common_interrupt el1h_64_irq el0t_64_irq \
         asm_exc_nmi asm_exc_int3 bpf_prog bpf_trampoline bpf_trace perf_ hrtimer_ kthread \
         worker_thread lseek",
    ),
];
