/* A channel that shares no memory: two pipes, one a direction. A pipe is a stream of bytes, but a
 * write of up to PIPE_BUF bytes goes whole or not at all (pipe(7)), there is one writer, and the
 * one reader reads as much as was written: so messages stay whole. */
#include "channel/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static_assert(sizeof(struct message) <= PIPE_BUF, "a message is written at once");

static enum channel_status status_of_errno(void)
{
    if (errno == EAGAIN || errno == EINTR)
        return CHANNEL_AGAIN;
    return errno == EPIPE ? CHANNEL_CLOSED : CHANNEL_BROKEN;
}

static enum channel_status pipe_try_send(struct channel *channel, const struct message *message)
{
    ssize_t sent = write(channel->host.send, message, sizeof *message);
    return sent < 0 ? status_of_errno() : CHANNEL_OK;
}

static enum channel_status pipe_try_receive(struct channel *channel, struct message *message)
{
    ssize_t got = read(channel->host.receive, message, sizeof *message);
    if (got < 0)
        return status_of_errno();
    if (got == 0)
        return CHANNEL_CLOSED;
    errno = 0;
    return got == sizeof *message ? CHANNEL_OK : CHANNEL_BROKEN;
}

static void pipe_close(struct channel *channel)
{
    close(channel->host.receive);
    close(channel->host.send);
}

static int pipe_descriptor(const struct channel *channel, bool sending)
{
    return sending ? channel->host.send : channel->host.receive;
}

static const struct channel_form pipe_form = {"pipe",
                                              CHANNEL_PIPE,
                                              false,
                                              pipe_try_send,
                                              pipe_try_receive,
                                              channel_send_each,
                                              channel_receive_each,
                                              pipe_close,
                                              pipe_descriptor};

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

static int never_block(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 ? errno : 0;
}

int channel_pipe_open(struct channel *channel, int receive, int send)
{
    int error = never_block(receive);
    if (!error)
        error = never_block(send);
    if (error)
        return error;
    channel->form = &pipe_form;
    channel->host.receive = receive;
    channel->host.send = send;
    return 0;
}
