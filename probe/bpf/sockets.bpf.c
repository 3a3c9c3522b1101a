// TCP sockets of all network namespaces as they change their state, and all sockets with who has them.

#include "kernel.h"
#include "ring.h"

static long (*map_delete)(void *map, const void *key) = (void *)3;
static u64 (*cookie_of)(void *sk) = (void *)46;
static u64 (*boot_ns)(void) = (void *)125;
static void *(*reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*submit)(void *record, u64 flags) = (void *)132;
static struct socket *(*socket_of)(void *file) = (void *)162;
static struct tcp_sock *(*tcp_of)(void *sk) = (void *)137;

enum { ESTABLISHED = 1, SYN_SENT = 2, FIN_WAIT1 = 4, CLOSE = 7, LISTEN = 10 };

struct minmax_sample { u32 t; u32 v; };
struct minmax { struct minmax_sample s[3]; } KERNELS;
struct tcp_sock {
	u64 bytes_acked;
	u64 bytes_received;
	u32 srtt_us;
	u32 total_retrans;
	u32 snd_una;
	u32 write_seq;
	struct minmax rtt_min;
} KERNELS;
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
} KERNELS;

// Who began to connect, and when, and whether a reset came; kept until the connection is made or fails.
struct birth { u64 at_ns; u32 pid; u32 is_reset; };
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, u64);
	__type(value, struct birth);
} births SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");
enum { EVENTS_WAKE = 1 << 18 };

// Sockets are left out of whose cookie a hash has any of these bits: none, unless there are more changes than anybody could read at
// a price that the host would not notice.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} sampling SEC(".maps");

// Events that found no room in the ring.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} lost SEC(".maps");

// What a connection carried so far: bytes that the other end has acknowledged, bytes that came, segments that were sent
// once more, and the time to the other end and back, of which the smoothed one in eighths.
struct carried {
	u64 sent;
	u64 received;
	u32 retransmits;
	u32 rtt_us_8;
	u32 min_rtt_us;
	// At the end: whoever had it had hung up, and all but that was acknowledged.
	u32 is_done;
};

// What is known of how an attempt was answered.
enum { UNKNOWN, NO_RESET, RESET };

struct event {
	u64 cookie;
	// When it happened, on the clock that goes on while the machine sleeps.
	u64 at_ns;
	u64 namespace_cookie;
	u32 namespace;
	u32 pid;
	u32 waited_us;
	u8 error;
	u8 answer;
	u16 family;
	u16 local_port;
	u16 remote_port;
	u8 old_state;
	u8 new_state;
	// It stands for so many.
	u16 weight;
	u8 local[16];
	u8 remote[16];
	struct carried carried;
};

// Of v4 the first four bytes; the others are zero already.
static void addresses(struct sock *sk, u8 *local, u8 *remote)
{
	if (sk->__sk_common.skc_family == AF_INET) {
		*(u32 *)local = sk->__sk_common.skc_rcv_saddr;
		*(u32 *)remote = sk->__sk_common.skc_daddr;
	} else {
		read_kernel(local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		read_kernel(remote, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

static void carried_by(struct sock *sk, struct carried *carried)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	read_kernel(&carried->sent, sizeof(carried->sent), &tcp->bytes_acked);
	read_kernel(&carried->received, sizeof(carried->received), &tcp->bytes_received);
	read_kernel(&carried->retransmits, sizeof(carried->retransmits), &tcp->total_retrans);
	read_kernel(&carried->rtt_us_8, sizeof(carried->rtt_us_8), &tcp->srtt_us);
	read_kernel(&carried->min_rtt_us, sizeof(carried->min_rtt_us), &tcp->rtt_min.s[0].v);
}

// Of one that waits for the other end to acknowledge that this one hung up, which counts as a byte.
static int is_done(struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	return !COPIED(sk->sk_socket) && COPIED(tcp->write_seq) - COPIED(tcp->snd_una) <= 1;
}

// The change that was told last on this processor.
struct change { u64 sk; s32 old_state; s32 new_state; };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct change);
} told SEC(".maps");

static __attribute__((always_inline)) int tell(u64 *context)
{
	struct sock *sk = (void *)context[0];
	s32 old_state = context[1], new_state = context[2];
	u16 family = sk->__sk_common.skc_family;
	u64 cookie, now;
	u16 local_port;
	struct birth *born = 0;
	struct net *net;
	struct event *event;
	u32 zero = 0, *left_out;

	if (sk->sk_protocol != IPPROTO_TCP || (family != AF_INET && family != AF_INET6))
		return 0;
	if (new_state != ESTABLISHED && new_state != CLOSE && new_state != SYN_SENT && new_state != LISTEN)
		return 0;
	cookie = cookie_of(sk);
	left_out = map_lookup(&sampling, &zero);
	// Cookies are numbers in a row, of which one end of each connection may get the even ones.
	if (left_out && ((cookie * 0x9e3779b97f4a7c15ull >> 40) & *left_out) && new_state != LISTEN)
		return 0;
	now = boot_ns();
	if (new_state == SYN_SENT) {
		struct birth birth = { .at_ns = now, .pid = own_pid(current_task()) };
		map_update(&births, &cookie, &birth, 0);
		return 0;
	}
	if (old_state == SYN_SENT)
		born = map_lookup(&births, &cookie);
	local_port = port_of(sk);
	if (local_port == 0)
		goto out;
	event = reserve(&events, sizeof(*event), 0);
	if (!event) {
		u64 *count = map_lookup(&lost, &zero);
		if (count)
			*count += 1;
		goto out;
	}
	event->cookie = cookie;
	event->at_ns = now;
	net = COPIED(sk->__sk_common.skc_net.net);
	event->namespace_cookie = cookie_of_namespace(net);
	event->namespace = COPIED(net->ns.inum);
	event->pid = born ? born->pid : (new_state == LISTEN ? own_pid(current_task()) : 0);
	event->waited_us = born ? (now - born->at_ns) / 1000 : 0;
	event->error = sk->sk_err;
	event->answer = !born ? UNKNOWN : born->is_reset ? RESET : NO_RESET;
	event->family = family;
	event->local_port = local_port;
	event->remote_port = __builtin_bswap16(sk->__sk_common.skc_dport);
	event->old_state = old_state;
	event->new_state = new_state;
	event->weight = (left_out ? *left_out : 0) + 1;
	__builtin_memset(event->local, 0, sizeof(event->local));
	__builtin_memset(event->remote, 0, sizeof(event->remote));
	__builtin_memset(&event->carried, 0, sizeof(event->carried));
	addresses(sk, event->local, event->remote);
	if (new_state == CLOSE && old_state != SYN_SENT && old_state != LISTEN)
		carried_by(sk, &event->carried);
	if (new_state == CLOSE && old_state == FIN_WAIT1)
		event->carried.is_done = is_done(sk);
	submit(event, woken_from(&events, EVENTS_WAKE, sizeof(*event)));
out:
	if (old_state == SYN_SENT)
		map_delete(&births, &cookie);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int state_changed(u64 *context)
{
	u32 zero = 0;
	struct change *last;

	tell(context);
	last = map_lookup(&told, &zero);
	if (last) {
		last->sk = context[0];
		last->old_state = context[1];
		last->new_state = context[2];
	}
	return 0;
}

// The kernel does not run a program in the midst of itself: where a packet that arrives interrupts it, and changes
// another socket's state, that would be missed. This one is asked after it and tells what it did not. What is told twice
// because both were interrupted is left out by who reads it.
SEC("tp_btf/inet_sock_set_state")
int state_changed_meanwhile(u64 *context)
{
	u32 zero = 0;
	struct change *last = map_lookup(&told, &zero);
	u64 sk = context[0];

	// Else the compiler takes the number for the socket where they are equal, and the verifier a number is no socket.
	asm volatile("" : "+r"(sk));
	if (last && last->sk == sk && last->old_state == (s32)context[1] && last->new_state == (s32)context[2]) {
		last->sk = 0;
		return 0;
	}
	return tell(context);
}

// A call is refused with the same error by a reset, which is the word of whoever was called, and by a message of ICMP, which
// is that of something on the way: here it shows which it was, just before the state tells that it failed.
static __attribute__((always_inline)) int note_reset(u64 *context)
{
	struct sock *sk = (void *)context[0];
	struct birth *born;
	u64 cookie;

	if (sk->__sk_common.skc_state != SYN_SENT)
		return 0;
	cookie = cookie_of(sk);
	born = map_lookup(&births, &cookie);
	if (born)
		born->is_reset = 1;
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int reset_came(u64 *context)
{
	return note_reset(context);
}

// As with changes of state: for those that come in the midst of the first one.
SEC("tp_btf/tcp_receive_reset")
int reset_came_meanwhile(u64 *context)
{
	return note_reset(context);
}

// One socket that a process has open.
struct held {
	u64 cookie;
	u64 inode;
	u64 namespace_cookie;
	u32 namespace;
	u32 pid;
	u16 family;
	u16 local_port;
	u16 remote_port;
	u8 protocol;
	u8 state;
	u8 local[16];
	u8 remote[16];
	struct carried carried;
};

// The process that the pass is at, as the probe's pid namespace numbers it: it has many files, one after the other.
static struct task_struct *at_task;
static u64 at_task_since;
static u32 at_pid;

SEC("iter/task_file")
int sockets_held(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;
	struct held held = {};
	struct socket *socket;
	struct sock *sk;
	struct net *net;

	if (!task || !file)
		return 0;
	socket = socket_of(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	held.family = sk->__sk_common.skc_family;
	held.protocol = sk->sk_protocol;
	if (held.family != AF_INET && held.family != AF_INET6)
		return 0;
	if (held.protocol != IPPROTO_TCP && held.protocol != IPPROTO_UDP)
		return 0;
	if (task != at_task || task->start_boottime != at_task_since) {
		at_pid = own_pid(task);
		at_task = task;
		at_task_since = task->start_boottime;
	}
	held.pid = at_pid;
	if (!held.pid)
		return 0;
	held.cookie = cookie_of(sk);
	held.inode = inode_of(socket);
	net = COPIED(sk->__sk_common.skc_net.net);
	held.namespace_cookie = cookie_of_namespace(net);
	held.namespace = COPIED(net->ns.inum);
	held.state = sk->__sk_common.skc_state;
	held.local_port = sk->__sk_common.skc_num;
	held.remote_port = __builtin_bswap16(sk->__sk_common.skc_dport);
	addresses(sk, held.local, held.remote);
	if (held.protocol == IPPROTO_TCP && held.state != LISTEN) {
		struct tcp_sock *tcp = tcp_of(sk);

		if (tcp) {
			held.carried.sent = tcp->bytes_acked;
			held.carried.received = tcp->bytes_received;
			held.carried.retransmits = tcp->total_retrans;
			held.carried.rtt_us_8 = tcp->srtt_us;
			held.carried.min_rtt_us = tcp->rtt_min.s[0].v;
		}
	}
	write(context->meta->seq, &held, sizeof(held));
	return 0;
}

char _license[] SEC("license") = "GPL";
