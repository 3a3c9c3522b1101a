// UDP of all network namespaces, summed in the kernel by who talks to whom: a datagram costs no event.
//
// A socket that is not connected has no other end to read, so its datagrams are looked at as they are handed to a
// device. What comes back is counted for the socket that asked: who answers is who was asked last.

#include "kernel.h"
#include "packet.h"
#include "ring.h"

static long (*output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;

enum { MSG_PEEK = 2, DNS = 53 };

struct sk_buff {
	struct sock *sk;
	u32 data_len;
	unsigned char *head;
	u16 network_header;
	u16 protocol;
} KERNELS;

// The host's range of ports for those who call; filled in when the program is loaded.
const volatile u16 ephemeral_low = 32768;
const volatile u16 ephemeral_high = 60999;

// One end of a conversation, as its own namespace sees it. A port of the ephemeral range is 0 where the other is not:
// all of a client's sockets are one then.
struct talk {
	u64 namespace_cookie;
	u32 namespace;
	u16 local_port;
	u16 remote_port;
	u8 local[16];
	u8 remote[16];
	u16 family;
	u16 pad[3];
};

struct sum {
	u64 sent_packets;
	u64 sent_bytes;
	u64 received_packets;
	u64 received_bytes;
	// The socket that sent last, who used it, and its ports.
	u64 inode;
	u32 pid;
	u16 local_port;
	u16 remote_port;
};

// What is more than that pushes out what was silent for the longest time.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct talk);
	__type(value, struct sum);
} sums SEC(".maps");

// Of sockets of clients, by where the kernel has them: whom they asked last.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct talk);
} asked SEC(".maps");

// The datagram that is on its way through one device after another.
struct passing { u64 skb; u64 sk; };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct passing);
} passing SEC(".maps");

// Messages of more bytes are not heard; what clients ask for by themselves is less.
enum { ANSWER_MAX = 1232, ANSWER_MIN = 12 };
struct answer {
	u32 namespace;
	u8 message[ANSWER_MAX];
};

// Whether anybody wants to know what is answered by name; filled in when the program is loaded.
const volatile u32 hears_answers = 0;

// What servers of names answer that run here: no host's device receives what one container answers another.
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 17);
} answers SEC(".maps");
enum { ANSWERS_WAKE = 1 << 15 };

// One on its way there.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct answer);
} heard SEC(".maps");

// Answers that found no room.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} unheard SEC(".maps");

static void hear(struct sk_buff *skb, u32 namespace, void *message, u32 length)
{
	struct answer *answer;
	u64 *count;
	u32 zero = 0;

	// All of it is where its headers are.
	if (skb->data_len || length < ANSWER_MIN || length > ANSWER_MAX)
		return;
	answer = map_lookup(&heard, &zero);
	if (!answer || read_kernel(answer->message, length, message))
		return;
	answer->namespace = namespace;
	if (output(&answers, answer, sizeof(namespace) + length, woken_from(&answers, ANSWERS_WAKE, sizeof(*answer)))) {
		count = map_lookup(&unheard, &zero);
		if (count)
			*count += 1;
	}
}

static int is_ephemeral(u16 port)
{
	return port >= ephemeral_low && port <= ephemeral_high;
}

SEC("tp_btf/net_dev_queue")
int leaves(u64 *context)
{
	struct sk_buff *skb = (void *)context[0];
	struct sock *sk = skb->sk;
	struct talk talk = {};
	struct net *net;
	struct passing *now;
	struct socket *socket;
	struct sum *sum;
	unsigned char *header;
	u16 udp[4], local, remote;
	u64 inode;
	u32 zero = 0;

	if (!sk || sk->sk_protocol != IPPROTO_UDP)
		return 0;
	header = transport_of(skb->head + skb->network_header, __builtin_bswap16(skb->protocol), IPPROTO_UDP, &talk.family,
			      talk.local, talk.remote);
	if (!header)
		return 0;
	if (read_kernel(udp, 8, header))
		return 0;
	local = __builtin_bswap16(udp[0]);
	remote = __builtin_bswap16(udp[1]);
	// What a tunnel wraps around a datagram is not of its socket.
	if (local != port_of(sk))
		return 0;
	// The kernel's own have no file.
	socket = COPIED(sk->sk_socket);
	if (!socket)
		return 0;
	if (!COPIED(socket->file))
		return 0;
	now = map_lookup(&passing, &zero);
	if (!now || (now->skb == (u64)skb && now->sk == (u64)sk))
		return 0;
	now->skb = (u64)skb;
	now->sk = (u64)sk;
	net = COPIED(sk->__sk_common.skc_net.net);
	talk.namespace_cookie = cookie_of_namespace(net);
	talk.namespace = COPIED(net->ns.inum);
	if (hears_answers && local == DNS)
		hear(skb, talk.namespace, header + 8, __builtin_bswap16(udp[2]) - 8);
	talk.local_port = is_ephemeral(local) && !is_ephemeral(remote) ? 0 : local;
	talk.remote_port = is_ephemeral(remote) && !is_ephemeral(local) ? 0 : remote;
	sum = map_lookup(&sums, &talk);
	if (!sum) {
		struct sum none = {};
		map_update(&sums, &talk, &none, 1);
		sum = map_lookup(&sums, &talk);
		if (!sum)
			return 0;
	}
	__sync_fetch_and_add(&sum->sent_packets, 1);
	__sync_fetch_and_add(&sum->sent_bytes, __builtin_bswap16(udp[2]) - 8);
	inode = inode_of(socket);
	if (sum->inode != inode) {
		sum->inode = inode;
		sum->pid = own_pid(current_task());
	}
	sum->local_port = local;
	sum->remote_port = remote;
	if (is_ephemeral(local)) {
		u64 which = (u64)sk;
		map_update(&asked, &which, &talk, 0);
	}
	return 0;
}

SEC("tp_btf/sock_send_length")
int is_sent(u64 *context)
{
	struct sock *sk = (void *)context[0];
	struct passing *now;
	u32 zero = 0;

	if (sk->sk_protocol != IPPROTO_UDP)
		return 0;
	now = map_lookup(&passing, &zero);
	if (now)
		now->skb = 0;
	return 0;
}

SEC("tp_btf/sock_recv_length")
int is_received(u64 *context)
{
	struct sock *sk = (void *)context[0];
	s32 length = context[1], flags = context[2];
	struct talk *talk, key;
	struct sum *sum;
	u64 which = (u64)sk;

	if (sk->sk_protocol != IPPROTO_UDP || length <= 0 || (flags & MSG_PEEK))
		return 0;
	talk = map_lookup(&asked, &which);
	if (!talk)
		return 0;
	key = *talk;
	sum = map_lookup(&sums, &key);
	if (!sum)
		return 0;
	__sync_fetch_and_add(&sum->received_packets, 1);
	__sync_fetch_and_add(&sum->received_bytes, length);
	return 0;
}

char _license[] SEC("license") = "GPL";
