/* A channel that shares no memory: a pair of Unix sockets of type SOCK_SEQPACKET. The host keeps
 * the messages apart, in order and bounded; a packet is a message. */
#include "channel/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static enum channel_status status_of_errno(void)
{
    switch (errno) {
    case EAGAIN:
    case ENOBUFS: /* of the host at large: it passes */
    case EINTR:
        return CHANNEL_AGAIN;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
        return CHANNEL_CLOSED;
    default:
        return CHANNEL_BROKEN;
    }
}

static enum channel_status socket_try_send(struct channel *channel, const struct message *message)
{
    ssize_t sent = send(channel->host.send, message, sizeof *message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? status_of_errno() : CHANNEL_OK; /* a packet goes whole or not at all */
}

static enum channel_status socket_try_receive(struct channel *channel, struct message *message)
{
    /* Truncation shows as a length that is not ours. */
    ssize_t got = recv(channel->host.receive, message, sizeof *message, MSG_DONTWAIT | MSG_TRUNC);
    /* The other side closed while messages of ours lay unread: the host says so once, ahead of what
     * it sent before. */
    if (got < 0 && errno == ECONNRESET)
        got = recv(channel->host.receive, message, sizeof *message, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0)
        return status_of_errno();
    if (got == 0)
        return CHANNEL_CLOSED;
    errno = 0;
    return got == sizeof *message ? CHANNEL_OK : CHANNEL_BROKEN;
}

static void socket_close(struct channel *channel)
{
    close(channel->host.receive);
}

static int socket_descriptor(const struct channel *channel, bool sending)
{
    return sending ? channel->host.send : channel->host.receive;
}

static const struct channel_form socket_form = {
    "socket",          CHANNEL_SOCKET,       false,        socket_try_send,  socket_try_receive,
    channel_send_each, channel_receive_each, socket_close, socket_descriptor};

int channel_socket_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) ? errno : 0;
}

int channel_socket_open(struct channel *channel, int descriptor)
{
    int type;
    socklen_t length = sizeof type;
    if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length))
        return errno;
    if (type != SOCK_SEQPACKET)
        return EPROTOTYPE;
    channel->form = &socket_form;
    channel->host.receive = channel->host.send = descriptor;
    return 0;
}

enum channel_status channel_send_each(struct channel *channel, const struct message *messages,
                                      uint32_t count, uint32_t *done)
{
    enum channel_status status = CHANNEL_OK;
    for (*done = 0; *done < count; ++*done)
        if ((status = channel_try_send(channel, &messages[*done])) != CHANNEL_OK)
            break;
    return *done ? CHANNEL_OK : status;
}

enum channel_status channel_receive_each(struct channel *channel, struct message *messages,
                                         uint32_t count, uint32_t *done)
{
    enum channel_status status = CHANNEL_OK;
    for (*done = 0; *done < count; ++*done)
        if ((status = channel_try_receive(channel, &messages[*done])) != CHANNEL_OK)
            break;
    return *done ? CHANNEL_OK : status;
}
