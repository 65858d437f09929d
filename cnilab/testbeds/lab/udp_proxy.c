/* flannel's `udp` back end: inner IPv4 packets copied between a TUN and a UDP socket, one a system call.
 *
 * The semantics, and on purpose the cost, of flannel's own proxy (pkg/backend/udp/proxy_amd64.c): a first-match
 * scan of the peers that moves the hit to the front, TTL less one on each side with the checksum mended
 * (RFC 1624), ICMP "network unreachable" for a destination nobody owns, no batching, no offload. A faster proxy
 * would misreport the mode.
 *
 *   udp_proxy DEVICE NODE_IP PORT TUN_IP NETWORK/BITS=PEER_IP ...
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_PEERS 256
#define MAX_PACKET 65536
#define UNREACHABLE_TTL 8

struct peer {
	uint32_t network, mask;
	struct sockaddr_in node;
};

static struct peer peers[MAX_PEERS];
static int peer_count;
static uint32_t tun_address;

static void die(const char *what)
{
	fprintf(stderr, "udp_proxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint16_t checksum(const void *data, size_t length)
{
	const uint8_t *byte = data;
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < length; i += 2)
		sum += byte[i] << 8 | byte[i + 1];
	if (length & 1)
		sum += byte[length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

/* Returns 0 when the packet's life ends here. */
static int decrement_ttl(struct iphdr *ip)
{
	uint32_t sum;

	if (--ip->ttl == 0)
		return 0;
	sum = (uint32_t)ip->check + htons(0x0100);
	ip->check = (uint16_t)(sum + (sum >= 0xffff));
	return 1;
}

static struct sockaddr_in *owner_of(uint32_t destination)
{
	struct peer hit;
	int i;

	for (i = 0; i < peer_count; i++) {
		if ((destination & peers[i].mask) != peers[i].network)
			continue;
		if (i) {
			hit = peers[i];
			peers[i] = peers[0];
			peers[0] = hit;
		}
		return &peers[0].node;
	}
	return NULL;
}

static void send_unreachable(int tun, const struct iphdr *offending, size_t length)
{
	struct {
		struct iphdr ip;
		struct icmphdr icmp;
		uint8_t quote[60 + 8];
	} reply;
	size_t quoted = offending->ihl * 4 + 8;

	if (quoted > length)
		quoted = length;
	memset(&reply, 0, sizeof(reply));
	memcpy(reply.quote, offending, quoted);
	reply.icmp.type = ICMP_DEST_UNREACH;
	reply.icmp.code = ICMP_NET_UNREACH;
	reply.icmp.checksum = checksum(&reply.icmp, sizeof(reply.icmp) + quoted);
	reply.ip.version = 4;
	reply.ip.ihl = 5;
	reply.ip.ttl = UNREACHABLE_TTL;
	reply.ip.protocol = IPPROTO_ICMP;
	reply.ip.saddr = tun_address;
	reply.ip.daddr = offending->saddr;
	reply.ip.tot_len = htons(sizeof(reply.ip) + sizeof(reply.icmp) + quoted);
	reply.ip.check = checksum(&reply.ip, sizeof(reply.ip));
	if (write(tun, &reply, sizeof(reply.ip) + sizeof(reply.icmp) + quoted) < 0)
		perror("udp_proxy: tun write");
}

static int tun_to_udp(int tun, int sock, uint8_t *buffer)
{
	struct iphdr *ip = (struct iphdr *)buffer;
	struct sockaddr_in *node;
	ssize_t length = read(tun, buffer, MAX_PACKET);

	if (length < 0) {
		if (errno != EAGAIN)
			die("tun read");
		return 0;
	}
	if (length < (ssize_t)sizeof(*ip) || ip->version != 4)
		return 1;
	node = owner_of(ip->daddr);
	if (!node) {
		send_unreachable(tun, ip, length);
		return 1;
	}
	if (!decrement_ttl(ip))
		return 1;
	while (sendto(sock, buffer, length, 0, (struct sockaddr *)node, sizeof(*node)) < 0) {
		if (errno == EAGAIN) {
			struct pollfd wait = { sock, POLLOUT, 0 };
			poll(&wait, 1, -1);
		} else if (errno != ECONNREFUSED) { /* a peer's earlier ICMP is reported here: try again */
			perror("udp_proxy: send");
			break;
		}
	}
	return 1;
}

static int udp_to_tun(int tun, int sock, uint8_t *buffer)
{
	struct iphdr *ip = (struct iphdr *)buffer;
	ssize_t length = recv(sock, buffer, MAX_PACKET, 0);

	if (length < 0) {
		if (errno != EAGAIN && errno != ECONNREFUSED)
			die("receive");
		return 0;
	}
	if (length < (ssize_t)sizeof(*ip) || ip->version != 4 || !decrement_ttl(ip))
		return 1;
	if (write(tun, buffer, length) < 0)
		perror("udp_proxy: tun write");
	return 1;
}

static void add_peer(char *text)
{
	char *node = strchr(text, '='), *bits = strchr(text, '/');
	struct peer *peer = &peers[peer_count];

	errno = EINVAL;
	if (!node || !bits || peer_count == MAX_PEERS)
		die(text);
	*node++ = *bits++ = 0;
	peer->mask = htonl(~0u << (32 - atoi(bits)));
	peer->node.sin_family = AF_INET;
	if (inet_pton(AF_INET, text, &peer->network) != 1 || inet_pton(AF_INET, node, &peer->node.sin_addr) != 1)
		die(text);
	peer_count++;
}

int main(int argc, char **argv)
{
	static uint8_t buffer[MAX_PACKET];
	struct sockaddr_in own = { .sin_family = AF_INET };
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct pollfd events[2];
	int tun, sock, i;

	if (argc < 6) {
		fprintf(stderr, "usage: udp_proxy DEVICE NODE_IP PORT TUN_IP NETWORK/BITS=PEER_IP ...\n");
		return 2;
	}
	own.sin_port = htons(atoi(argv[3]));
	if (inet_pton(AF_INET, argv[2], &own.sin_addr) != 1 || inet_pton(AF_INET, argv[4], &tun_address) != 1)
		die("address");
	for (i = 5; i < argc; i++)
		add_peer(argv[i]);
	for (i = 0; i < peer_count; i++)
		peers[i].node.sin_port = own.sin_port;

	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0)
		die("/dev/net/tun");
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&own, sizeof(own)) < 0)
		die("bind");

	events[0] = (struct pollfd){ tun, POLLIN, 0 };
	events[1] = (struct pollfd){ sock, POLLIN, 0 };
	for (;;) {
		if (poll(events, 2, -1) < 0 && errno != EINTR)
			die("poll");
		while (tun_to_udp(tun, sock, buffer) + udp_to_tun(tun, sock, buffer))
			;
	}
}
