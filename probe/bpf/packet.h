// The headers of a packet that is on its way, wherever its device is.

enum { ETH_P_IP = 0x0800, ETH_P_IPV6 = 0x86dd };

// Where the header of a transport protocol begins, with who sends and who receives, of version 4 in the first four bytes;
// 0 where it is of another protocol, or one of the pieces after the first, which have no ports.
static __attribute__((always_inline)) unsigned char *transport_of(
	unsigned char *header, u16 ethertype, u8 protocol, u16 *family, u8 *sender, u8 *receiver)
{
	u8 start[20];

	if (ethertype == ETH_P_IP) {
		*family = AF_INET;
		if (read_kernel(start, 20, header) || start[9] != protocol || (start[6] & 0x1f) || start[7])
			return 0;
		__builtin_memcpy(sender, start + 12, 4);
		__builtin_memcpy(receiver, start + 16, 4);
		return header + (start[0] & 0xf) * 4;
	}
	if (ethertype == ETH_P_IPV6) {
		*family = AF_INET6;
		if (read_kernel(start, 8, header) || start[6] != protocol)
			return 0;
		read_kernel(sender, 16, header + 8);
		read_kernel(receiver, 16, header + 24);
		return header + 40;
	}
	return 0;
}
