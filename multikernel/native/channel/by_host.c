/* Channels that share no memory. A pair of Unix sockets of type SOCK_SEQPACKET: the host keeps the
 * messages apart, in order and bounded; a packet is a message. Two pipes, one a direction: a pipe
 * is a stream of bytes, but a write of up to PIPE_BUF bytes goes whole or not at all (pipe(7)),
 * there is one writer, and the one reader reads as much as was written: so messages stay whole. */
#include "channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

static_assert(sizeof(struct message) <= PIPE_BUF, "a message is written at once");

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

/* By what the host says has come. */
static enum channel_status received(ssize_t got)
{
    if (got < 0)
        return status_of_errno();
    if (got == 0)
        return CHANNEL_CLOSED;
    errno = 0;
    return got == sizeof(struct message) ? CHANNEL_OK : CHANNEL_BROKEN;
}

static enum channel_status socket_try_send(struct channel *channel, const struct message *message)
{
    ssize_t sent = send(channel->host.send, message, sizeof *message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? status_of_errno() : CHANNEL_OK; /* a packet goes whole or not at all */
}

static enum channel_status socket_receive(struct channel *channel, struct message *message)
{
    /* Truncation shows as a length that is not ours. */
    ssize_t got = recv(channel->host.receive, message, sizeof *message, MSG_DONTWAIT | MSG_TRUNC);
    /* The other side closed while messages of ours lay unread: the host says so once, ahead of what
     * it sent before. */
    if (got < 0 && errno == ECONNRESET)
        got = recv(channel->host.receive, message, sizeof *message, MSG_DONTWAIT | MSG_TRUNC);
    return received(got);
}

static enum channel_status pipe_try_send(struct channel *channel, const struct message *message)
{
    ssize_t sent = write(channel->host.send, message, sizeof *message);
    return sent < 0 ? status_of_errno() : CHANNEL_OK;
}

static enum channel_status pipe_receive(struct channel *channel, struct message *message)
{
    return received(read(channel->host.receive, message, sizeof *message));
}

/* The host says that the other side has closed when nobody has a copy of its descriptors, and this
 * very process may have inherited one. The header says it at once. */
#define TRY_RECEIVE(NAME)                                                                          \
    static enum channel_status NAME##_try_receive(struct channel *channel,                         \
                                                  struct message *message)                         \
    {                                                                                              \
        enum channel_status status = NAME##_receive(channel, message);                             \
        if (status == CHANNEL_AGAIN && channel->header && channel_other_closed(channel))           \
            status = NAME##_receive(channel, message) == CHANNEL_OK ? CHANNEL_OK : CHANNEL_CLOSED; \
        return status;                                                                             \
    }
TRY_RECEIVE(socket)
TRY_RECEIVE(pipe)

static void host_close(struct channel *channel)
{
    close(channel->host.receive);
    if (channel->host.send != channel->host.receive)
        close(channel->host.send);
}

/* One after the other: the host knows no better. */
static enum channel_status send_each(struct channel *channel, const struct message *messages,
                                     uint32_t count, uint32_t *done)
{
    enum channel_status status = CHANNEL_OK;
    for (*done = 0; *done < count; ++*done)
        if ((status = channel_try_send(channel, &messages[*done])) != CHANNEL_OK)
            break;
    return *done ? CHANNEL_OK : status;
}

static enum channel_status receive_each(struct channel *channel, struct message *messages,
                                        uint32_t count, uint32_t *done)
{
    enum channel_status status = CHANNEL_OK;
    for (*done = 0; *done < count; ++*done)
        if ((status = channel_try_receive(channel, &messages[*done])) != CHANNEL_OK)
            break;
    return *done ? CHANNEL_OK : status;
}

/* Fields in the order of struct channel_form. */
static const struct channel_form socket_form = {CHANNEL_SOCKET,     false,     socket_try_send,
                                                socket_try_receive, send_each, receive_each,
                                                host_close};
static const struct channel_form pipe_form = {
    CHANNEL_PIPE, false, pipe_try_send, pipe_try_receive, send_each, receive_each, host_close};

int channel_socket_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) ? errno : 0;
}

int channel_pipe_pair(int ends[2][2])
{
    int there[2], back[2]; /* [0] is read, [1] written */
    if (pipe2(there, O_CLOEXEC | O_NONBLOCK))
        return errno;
    if (pipe2(back, O_CLOEXEC | O_NONBLOCK)) {
        int error = errno;
        close(there[0]);
        close(there[1]);
        return error;
    }
    ends[0][0] = back[0];
    ends[0][1] = there[1];
    ends[1][0] = there[0];
    ends[1][1] = back[1];
    return 0;
}

int channel_socket_open(struct channel *channel, int descriptor)
{
    int type;
    socklen_t length = sizeof type;
    if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length))
        return errno;
    if (type != SOCK_SEQPACKET)
        return EPROTOTYPE;
    channel_blank(channel);
    channel->form = &socket_form;
    channel->host.receive = channel->host.send = descriptor;
    return 0;
}

static int never_block(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 ? errno : 0;
}

int channel_pipe_open(struct channel *channel, int receive, int send)
{
    int error;
    if ((error = never_block(receive)) || (error = never_block(send)))
        return error;
    channel_blank(channel);
    channel->form = &pipe_form;
    channel->host.receive = receive;
    channel->host.send = send;
    return 0;
}
