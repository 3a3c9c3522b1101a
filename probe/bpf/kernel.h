// What the programs use of the kernel, read through CO-RE: only the fields named here, and where they are is found when a
// program is loaded. No kernel headers are needed, to compile it or to run it.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define KERNELS __attribute__((preserve_access_index))

static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*read_kernel)(void *into, u32 size, const void *from) = (void *)113;
static void *(*current_task)(void) = (void *)158;
static long (*write)(void *seq, const void *data, u32 size) = (void *)127;

enum { BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_LRU_HASH = 9, BPF_MAP_TYPE_RINGBUF = 27 };
enum { AF_INET = 2, AF_INET6 = 10, IPPROTO_TCP = 6, IPPROTO_UDP = 17 };

struct ns_common { u32 inum; } KERNELS;
struct net { struct ns_common ns; u64 net_cookie; } KERNELS;
typedef struct { struct net *net; } possible_net_t;
struct in6_addr { u8 bytes[16]; };
struct sock_common {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num;
	u16 skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} KERNELS;
struct socket;
struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	s32 sk_err;
	struct socket *sk_socket;
} KERNELS;
struct inet_sock { u16 inet_sport; } KERNELS;
struct pid_namespace { struct ns_common ns; } KERNELS;
// Copied whole, as the pid has them in a row.
struct upid { s32 nr; struct pid_namespace *ns; };
struct pid { u32 level; struct upid numbers[1]; } KERNELS;
struct signal_struct { u64 sum_sched_runtime; s32 nr_threads; } KERNELS;
struct sched_entity { u64 sum_exec_runtime; } KERNELS;
struct percpu_counter { long long count; } KERNELS;
struct mm_struct { struct percpu_counter rss_stat[4]; } KERNELS;
struct fdtable { u32 max_fds; u64 *open_fds; } KERNELS;
struct files_struct { struct fdtable *fdt; } KERNELS;
struct task_struct {
	struct pid *thread_pid;
	struct task_struct *group_leader;
	s32 pid;
	s32 tgid;
	s32 exit_state;
	u64 start_boottime;
	struct sched_entity se;
	struct signal_struct *signal;
	struct mm_struct *mm;
	struct files_struct *files;
} KERNELS;
struct file;
struct socket { struct sock *sk; struct file *file; } KERNELS;
struct inode { unsigned long i_ino; } KERNELS;
struct socket_alloc { struct socket socket; struct inode vfs_inode; } KERNELS;
struct seq_file;
struct bpf_iter_meta { struct seq_file *seq; } KERNELS;

// The inode of the probe's pid namespace; filled in when the program is loaded.
const volatile u32 own_pid_namespace = 0;

enum { BPF_FIELD_EXISTS = 2 };

// A field of the kernel's, copied. Where a pointer is followed through it, the verifier has nothing to find out of what it
// leads to: that takes it some milliseconds for each, in which it goes through all types of the kernel by their names.
#define COPIED(field) ({ typeof(field) copy = 0; read_kernel(&copy, sizeof(copy), &(field)); copy; })

// What no other namespace is called after it, as its inode may be; 0 with kernels of before 5.12.
static inline u64 cookie_of_namespace(struct net *net)
{
	if (!__builtin_preserve_field_info(((struct net *)0)->net_cookie, BPF_FIELD_EXISTS))
		return 0;
	return COPIED(net->net_cookie);
}

// That of its file: a socket is made with it.
static inline u64 inode_of(struct socket *socket)
{
	return COPIED(((struct socket_alloc *)socket)->vfs_inode.i_ino);
}

// The port that a socket has or had: one that is closed has given back the one in skc_num.
static inline u16 port_of(struct sock *sk)
{
	u16 port = 0;
	read_kernel(&port, sizeof(port), &((struct inet_sock *)sk)->inet_sport);
	return __builtin_bswap16(port);
}

// A process as the probe's pid namespace numbers it; 0 where it is not in there.
static __attribute__((unused)) u32 own_pid(struct task_struct *task)
{
	struct task_struct *leader = COPIED(task->group_leader);
	struct pid *pid = COPIED(leader->thread_pid);
	u32 level = COPIED(pid->level);
	for (u32 i = 0; i < 8; i++) {
		struct upid *at = &pid->numbers[0];
		struct upid one = {};
		u32 inum = 0;
		if (i > level)
			break;
		read_kernel(&one, sizeof(one), (void *)at + i * sizeof(one));
		read_kernel(&inum, sizeof(inum), &one.ns->ns.inum);
		if (inum == own_pid_namespace)
			return one.nr;
	}
	return 0;
}
